// Base64, as RFC 4648 section 4 has it: the common alphabet, padded, without line breaks.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace eddy::load {

std::string encode_base64(std::string_view bytes);

// Nothing if the text has another character, a length that is no multiple of 4, or padding that
// does not fit.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace eddy::load
