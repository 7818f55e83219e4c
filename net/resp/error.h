// What is wrong with bytes of the Redis protocol, as values of std::error_code.
#pragma once

#include <system_error>

namespace eddy::resp {

// The category is resp_category(), "resp"; a code's message is its name in words.
enum class Errc {
  kBadType = 1,      // a byte that begins no value, or one of a kind that may not stand there
  kBadLineEnd,       // LF without CR, or a bulk string that is not followed by CR LF
  kBadNumber,        // of an integer, a double, a big number or a boolean
  kBadLength,        // of a bulk string, or of an aggregate
  kBadInline,        // quotes of an inline command that do not match, or a NUL in it
  kStreamed,         // a streamed string or aggregate of RESP3, which is not supported
  kLineTooLong,      // max_line_bytes
  kBulkTooLong,      // max_bulk_bytes
  kTooManyElements,  // max_elements, max_arguments
  kTooDeep,          // max_depth
  kMessageTooLong,   // max_kept_bytes, max_command_bytes
  kUnexpectedEnd,    // the input ended amid a message
};

const std::error_category& resp_category() noexcept;
std::error_code make_error_code(Errc condition) noexcept;

}  // namespace eddy::resp

template <>
struct std::is_error_code_enum<eddy::resp::Errc> : std::true_type {};
