// Numbers as people read them.
#pragma once

#include <stdint.h>

#include <string>
#include <string_view>

namespace eddy::tools {

std::string grouped(uint64_t number);                    // 1,234,567
std::string counted(uint64_t number, const char* what);  // "1 request", "1,234 requests"
std::string duration_text(double nanoseconds);           // "640 ns", "51.2 µs", "3.40 ms", "2.00 s"
std::string size_text(uint64_t bytes);                   // "64 B", "16 KiB", "1 MiB"
std::string fixed(double number, int digits);            // 3.14
// Filled up with blanks on its left; a character counts as one however many bytes it takes.
std::string right(const std::string& text, size_t width);

// With newlines in the place of blanks, so that lines are no longer than that. Those in it stay.
std::string wrapped(std::string text, size_t width);

// For a terminal, of what others have written: control characters and bytes that are no UTF-8 are
// told as \x1b, line breaks among them.
std::string one_line(std::string_view text);

}  // namespace eddy::tools
