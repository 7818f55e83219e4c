// Prints how often the interval of a percentile has the true one in it (coverage.h):
//   load_count_coverage mm1|md1 UTILISATION REQUESTS RUNS [SEED [SPANS]]
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "coverage.h"

int main(int count, char** arguments) {
  using namespace eddy::load;
  const auto number = [&](int index, size_t otherwise) -> size_t {
    return index < count ? std::strtoull(arguments[index], nullptr, 10) : otherwise;
  };
  const std::string_view queue = count > 1 ? arguments[1] : "";
  const double utilisation = count > 2 ? std::strtod(arguments[2], nullptr) : 0;
  const size_t requests = number(3, 0);
  const size_t runs = number(4, 0);
  const uint64_t seed = number(5, 1);
  const size_t spans = number(6, 640);
  const bool known_queue = queue == "mm1" || queue == "md1";
  const bool stable = utilisation > 0 && utilisation < 1;
  if (!known_queue || !stable || runs == 0 || spans == 0 || requests < spans) {
    std::fputs("usage: load_count_coverage mm1|md1 UTILISATION REQUESTS RUNS [SEED [SPANS]]\n",
               stderr);
    return 2;
  }
  const Coverages coverages =
      count_coverage(queue == "md1" ? Service::kConstant : Service::kExponential, utilisation,
                     requests, runs, seed, spans);
  for (size_t i = 0; i < kPercents.size(); ++i) {
    const Coverage& coverage = coverages[i];
    std::printf("%s %.2f %9zu requests  p%-5g told %5.1f %%", arguments[1], utilisation, requests,
                kPercents[i],
                100.0 * static_cast<double>(coverage.known) / static_cast<double>(runs));
    if (coverage.known > 0) {
      const auto known = static_cast<double>(coverage.known);
      std::printf("  covered %5.1f %%  (beneath %4.1f, above %4.1f)  width %5.1f %%",
                  100 * coverage.covered(), 100 * static_cast<double>(coverage.beneath) / known,
                  100 * static_cast<double>(coverage.above) / known, 100 * coverage.width / known);
    }
    std::puts("");
  }
}
