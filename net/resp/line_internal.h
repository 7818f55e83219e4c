// What both parsers know of lines, and of decimal numbers as the protocol has them: no blanks, and
// no zeros in front.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace eddy::resp {

// What stands around the text of a line: its type, CR and LF.
inline constexpr size_t kLineFrameBytes = 3;

// So much a line may have at least, whatever the options say: that of any length fits.
inline constexpr size_t kLeastLineBytes = 32;

inline bool is_digit(char character) noexcept { return character >= '0' && character <= '9'; }

// Greater than any length: what is written is none.
inline constexpr uint64_t kNoLength = UINT64_MAX;

inline uint64_t parse_length(std::string_view digits) noexcept {
  constexpr size_t kMaxDigits = 18;
  if (digits.empty() || digits.size() > kMaxDigits) return kNoLength;
  if (digits[0] == '0' && digits.size() > 1) return kNoLength;
  uint64_t value = 0;
  for (const char digit : digits) {
    if (!is_digit(digit)) return kNoLength;
    value = value * 10 + static_cast<uint64_t>(digit - '0');
  }
  return value;
}

// The line of a length, whole and right, that `text` begins with.
struct LengthLine {
  uint64_t length = 0;
  size_t bytes = 0;  // of the line, with its type and its end; 0: there is none
};

inline LengthLine read_length_line(std::string_view text) noexcept {
  constexpr size_t kMaxDigits = 18;
  uint64_t length = 0;
  size_t at = 1;
  const size_t end = std::min(text.size(), kMaxDigits + 1);
  for (; at < end && is_digit(text[at]); ++at) {
    length = length * 10 + static_cast<uint64_t>(text[at] - '0');
  }
  const bool has_digits = at > 1 && (text[1] != '0' || at == 2);
  if (!has_digits || text.size() - at < 2 || text[at] != '\r' || text[at + 1] != '\n') return {};
  return {length, at + 2};
}

inline std::optional<int64_t> parse_integer(std::string_view text) noexcept {
  const bool has_plus = text.starts_with('+');
  if (has_plus) text.remove_prefix(1);
  const std::string_view digits = text.substr(!has_plus && text.starts_with('-') ? 1 : 0);
  if (digits.empty() || !is_digit(digits[0])) return std::nullopt;
  if (digits[0] == '0' && digits.size() > 1) return std::nullopt;
  int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

}  // namespace eddy::resp
