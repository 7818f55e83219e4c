// What both parsers know of lines: words with one blank between them, and decimal numbers.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <charconv>
#include <optional>
#include <string_view>

namespace eddy::memcached {

// CR and LF.
inline constexpr size_t kLineEndBytes = 2;

// So much a line may have at least, whatever the options say.
inline constexpr size_t kLeastLineBytes = 32;

// Takes the word that `line` begins with, and the blank behind it. Empty: there is none.
inline std::string_view take_word(std::string_view& line) noexcept {
  const size_t blank = line.find(' ');
  const std::string_view word = line.substr(0, blank);
  line.remove_prefix(blank == std::string_view::npos ? line.size() : blank + 1);
  return word;
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text) noexcept {
  Number value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

}  // namespace eddy::memcached
