#include "format.h"

#include <stdio.h>

#include <algorithm>

namespace eddy::tools {
namespace {

// The first character's, by the Unicode Standard's table of well-formed UTF-8 (3-7). 0: there is
// none, or it is a control character.
size_t printable_bytes(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return first >= ' ' && first != 0x7F ? 1 : 0;
  const size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const unsigned char second = byte(1);
  // A control character (C1), characters that fewer bytes have, halves of surrogates, and those
  // beyond U+10FFFF.
  const bool is_none = (first == 0xC2 && second < 0xA0) || (first == 0xE0 && second < 0xA0) ||
                       (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
                       (first == 0xF4 && second > 0x8F);
  return is_none ? 0 : size;
}

}  // namespace

std::string fixed(double number, int digits) {
  char text[64];
  const int length = snprintf(text, sizeof text, "%.*f", digits, number);
  return {text, static_cast<size_t>(length)};
}

std::string grouped(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t end = text.size(); end > 3; end -= 3) text.insert(end - 3, 1, ',');
  return text;
}

std::string counted(uint64_t number, const char* what) {
  return grouped(number) + " " + what + (number == 1 ? "" : "s");
}

// Three digits that count, whatever the unit.
std::string duration_text(double nanoseconds) {
  const char* units[] = {" ns", " µs", " ms", " s"};
  size_t unit = 0;
  while (nanoseconds >= 999.5 && unit + 1 < std::size(units)) {
    nanoseconds /= 1000;
    ++unit;
  }
  const int digits = unit == 0 || nanoseconds >= 99.95 ? 0 : nanoseconds >= 9.995 ? 1 : 2;
  return fixed(nanoseconds, digits) + units[unit];
}

std::string right(const std::string& text, size_t width) {
  const auto characters =
      static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
        return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
      }));
  return std::string(width - std::min(width, characters), ' ') + text;
}

std::string wrapped(std::string text, size_t width) {
  size_t line = 0;   // where it begins
  size_t blank = 0;  // the last one in it
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') line = blank = i + 1;
    if (text[i] == ' ') blank = i;
    if (i - line < width || blank <= line) continue;
    text[blank] = '\n';
    line = blank + 1;
  }
  return text;
}

std::string size_text(uint64_t bytes) {
  if (bytes != 0 && bytes % (1024 * 1024) == 0) return std::to_string(bytes / 1024 / 1024) + " MiB";
  if (bytes != 0 && bytes % 1024 == 0) return std::to_string(bytes / 1024) + " KiB";
  return std::to_string(bytes) + " B";
}

std::string one_line(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const size_t size = printable_bytes(text);
    if (size > 0) {
      line += text.substr(0, size);
    } else {
      char escaped[8];
      snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned char>(text[0]));
      line += escaped;
    }
    text.remove_prefix(std::max<size_t>(size, 1));
  }
  return line;
}

}  // namespace eddy::tools
