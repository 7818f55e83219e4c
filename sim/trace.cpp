#include <eddy/sim/trace.h>

#include <inttypes.h>

namespace eddy::sim {

void Trace::print(int64_t now_ns, const char* host, const char* event,
                  std::initializer_list<int64_t> values) {
  fprintf(out_, "%" PRId64 ".%09" PRId64 " %s %s", now_ns / 1'000'000'000, now_ns % 1'000'000'000,
          host, event);
  for (const int64_t value : values) fprintf(out_, " %" PRId64, value);
  fputc('\n', out_);
}

}  // namespace eddy::sim
