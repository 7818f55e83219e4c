// Arguments of the program eddy: whatever is written is a value within its bounds, or refused.
#include <string>
#include <string_view>

#include "../../tools/arguments.h"
#include "fuzz.h"

namespace {

using namespace eddy::tools;  // NOLINT: what is tested here

// A whole number that was read is read again from its plain digits, and a blank behind is refused.
void check_whole(std::optional<uint64_t> (*parse)(std::string_view), const std::string& text) {
  const auto value = parse(text);
  if (!value) return;
  FUZZ_CHECK(*value <= uint64_t{1} << 53);
  FUZZ_CHECK(parse(std::to_string(*value)) == value);
  FUZZ_CHECK(!parse(text + " "));
  FUZZ_CHECK(!parse(" " + text));
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_whole(parse_count, text);
  check_whole(parse_size, text);
  if (const auto duration = parse_duration(text)) {
    FUZZ_CHECK(duration->count() >= 0);
    FUZZ_CHECK(!parse_duration(text + " "));
    FUZZ_CHECK(!parse_duration("-" + text) || duration->count() == 0);
  }
  if (const auto backend = parse_backend(text)) FUZZ_CHECK(to_string(*backend) == text);
  return 0;
}
