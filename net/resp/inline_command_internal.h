// The words of an inline command.
#pragma once

#include <eddy/net/resp/command_parser.h>

#include <string>
#include <string_view>
#include <vector>

namespace eddy::resp {

// Splits a line, without its end, into words, of which it appends the bytes to `text` and the
// places in it to `ranges`. What is wrong, a literal; nullptr if nothing is.
const char* split_inline(std::string_view line, std::string& text,
                         std::vector<ArgumentRange>& ranges);

}  // namespace eddy::resp
