// What is wrong with an HTTP message, as values of std::error_code.
#pragma once

#include <system_error>

namespace eddy::http {

// The category is http_category(), "http"; a code's message is its name in words. The values up to
// 63 are llhttp's.
enum class Errc {
  kStrict = 2,                    // a line that does not end as it must
  kLfExpected = 3,                // a carriage return without its line feed
  kUnexpectedContentLength = 4,   // a second one, or one beside Transfer-Encoding
  kClosedConnection = 5,          // bytes behind the message that was to be the connection's last
  kInvalidMethod = 6,             //
  kInvalidUrl = 7,                // of a request's target
  kInvalidConstant = 8,           // what is no HTTP at all
  kInvalidVersion = 9,            // not HTTP/1.0 or HTTP/1.1
  kInvalidHeaderToken = 10,       // of a header's name, or its value
  kInvalidContentLength = 11,     //
  kInvalidChunkSize = 12,         //
  kInvalidStatus = 13,            //
  kInvalidEofState = 14,          // the input ended amid a message
  kInvalidTransferEncoding = 15,  //
  kHttp2 = 23,                    // the preface of HTTP/2
  kCrExpected = 25,               //
  kUnexpectedSpace = 30,          //
  // eddy's own
  kHeadTooLong = 64,  // MessageParser::Options::max_head_bytes
};

const std::error_category& http_category() noexcept;
std::error_code make_error_code(Errc condition) noexcept;

}  // namespace eddy::http

template <>
struct std::is_error_code_enum<eddy::http::Errc> : std::true_type {};
