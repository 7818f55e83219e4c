// The bytes that connections carry: each direction of each connection has its own, so that a byte
// that is lost, doubled, moved or another's is seen.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace eddy::test {

class Content {
 public:
  Content() = default;
  // `number` tells the contents apart.
  explicit Content(uint32_t number) : offset_(number * 7919U % kPeriod) {}

  // From `from` on: as many as fit before the period ends, at most `size`.
  std::string_view piece(uint64_t from, size_t size) const {
    const size_t at = (offset_ + from) % kPeriod;
    return std::string_view(bytes()).substr(at, size);
  }
  bool matches(uint64_t from, std::string_view bytes) const {
    while (!bytes.empty()) {
      const std::string_view expected = piece(from, bytes.size());
      if (!bytes.starts_with(expected)) return false;
      bytes.remove_prefix(expected.size());
      from += expected.size();
    }
    return true;
  }

 private:
  static constexpr size_t kPeriod = 65521;  // prime, so that it is no multiple of any buffer
  static const std::string& bytes() {
    static const std::string all = [] {
      std::string made(kPeriod, '\0');
      uint64_t state = 1;
      for (char& byte : made) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        byte = static_cast<char>(state >> 56);
      }
      return made;
    }();
    return all;
  }
  size_t offset_ = 0;
};

}  // namespace eddy::test
