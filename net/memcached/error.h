// What is wrong with bytes of memcached's text protocol, as values of std::error_code.
#pragma once

#include <system_error>

namespace eddy::memcached {

// The category is memcached_category(), "memcached"; a code's message is its name in words.
enum class Errc {
  kBadReply = 1,   // a line that is no reply, or none that may stand there
  kBadLineEnd,     // LF without CR, or a value that is not followed by CR LF
  kBadLength,      // of a value: no number
  kLineTooLong,    // max_line_bytes
  kValueTooLong,   // max_value_bytes
  kTooManyValues,  // max_values
  kReplyTooLong,   // max_kept_bytes
  kUnexpectedEnd,  // the input ended amid a message
};

const std::error_category& memcached_category() noexcept;
std::error_code make_error_code(Errc condition) noexcept;

}  // namespace eddy::memcached

template <>
struct std::is_error_code_enum<eddy::memcached::Errc> : std::true_type {};
