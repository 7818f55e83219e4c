// Numbers and texts in one string of bytes, as one rank sends them to another.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

namespace eddy::load {

template <typename T>
concept ParcelNumber = std::is_arithmetic_v<T> || std::is_enum_v<T>;

class ParcelWriter {
 public:
  // As it lies in memory: the ranks are one program, on machines of one byte order.
  void add(ParcelNumber auto number) {
    bytes_.append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  void add(std::string_view text) {
    add(uint64_t{text.size()});
    bytes_.append(text);
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Takes out in the order in which things were put in. What is not there is 0 or empty, and so is
// all that follows.
class ParcelReader {
 public:
  explicit ParcelReader(std::string_view bytes) : rest_(bytes) {}

  void take(ParcelNumber auto& number) {
    number = {};
    if (const std::string_view bytes = cut(sizeof number); ok_) {
      memcpy(&number, bytes.data(), sizeof number);
    }
  }
  void take(std::string& text) {
    uint64_t size = 0;
    take(size);
    text = cut(size);
  }
  // Nothing was missing.
  bool ok() const { return ok_; }

 private:
  std::string_view cut(uint64_t size) {
    ok_ = ok_ && size <= rest_.size();
    if (!ok_) return {};
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace eddy::load
