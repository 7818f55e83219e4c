#include "load/store_text.h"

#include <algorithm>

#include "load/random.h"

namespace eddy::load {

std::string key_zero(std::string_view prefix) {
  std::string text(kKeyBytes, '0');
  std::copy(prefix.begin(), prefix.end(), text.begin());
  return text;
}

std::string value_of_size(uint64_t size) {
  Random random(size);
  std::string value(size, '\0');
  for (char& byte : value) byte = static_cast<char>('!' + random.below(94));
  return value;
}

}  // namespace eddy::load
