// Text that came from outside, for an Error: one printable line, not too long, whatever it holds.
#pragma once

#include <stddef.h>
#include <stdio.h>

#include <string>
#include <string_view>

namespace eddy {

inline bool is_printable(char character) { return character >= ' ' && character <= '~'; }

inline std::string escaped(char character) {
  char text[5];
  snprintf(text, sizeof(text), "\\x%02x", static_cast<unsigned char>(character));
  return text;
}

inline std::string printable(std::string_view text) {
  constexpr size_t kMaxBytes = 64;
  std::string result;
  for (const char character : text.substr(0, kMaxBytes)) {
    result += is_printable(character) ? std::string(1, character) : escaped(character);
  }
  return text.size() > kMaxBytes ? result + "..." : result;
}

}  // namespace eddy
