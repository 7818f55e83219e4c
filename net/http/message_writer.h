// HTTP/1.1 messages as bytes, safely: what would end a line, or make one message into two, is
// refused (RFC 9112, section 11.1).
//
// What it is: functions that append to a string of the caller's, which may be reused, so that
// nothing is allocated once it is large enough.
//
//   std::string bytes;
//   auto ok = http::write_request(bytes, {.method = "POST", .target = "/a",
//                                         .headers = {{{"Host", "example.org"}}}, .body = "x=1"});
//   stream.send(bytes);
//
// A body is sent with its Content-Length, or in chunks: is_chunked, then write_chunk for each piece
// and write_last_chunk. Host, Date, Connection and other headers are the caller's.
//
// Failure: an Error with a code of http_category(), and nothing has been appended: a method or a
// header's name that is no token (RFC 9110, section 5.6.2), a target with white space or control
// characters, a value with CR, LF, NUL or another control character but tab, a status that is none,
// a length that is told twice, a body where there must be none.
//
// Threads: any; the string is the caller's.
#pragma once

#include <eddy/core/error.h>
#include <eddy/net/http/error.h>
#include <eddy/net/http/url.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace eddy::http {

struct Header {
  std::string_view name;
  std::string_view value;
};

struct Request {
  std::string_view method = "GET";
  std::string_view target = "/";
  std::span<const Header> headers = {};
  // Sent behind the head, with its Content-Length; an empty one, too.
  std::optional<std::string_view> body = std::nullopt;
  // Transfer-Encoding: chunked. There is no `body` then.
  bool is_chunked = false;
};

Result<void> write_request(std::string& out, const Request& request);
// Its target is the URL's, and its first header the Host, unless the headers have one.
Result<void> write_request(std::string& out, const Url& url, Request request = {});

struct Response {
  unsigned status = 200;
  std::string_view reason = "OK";  // may be empty
  std::span<const Header> headers = {};
  // As a Request's. A response without a body and without a length among its headers ends with its
  // connection, unless it answers HEAD or its status is 1xx, 204 or 304.
  std::optional<std::string_view> body = std::nullopt;
  bool is_chunked = false;
};

Result<void> write_response(std::string& out, const Response& response);

// A piece of a body that is chunked. An empty one is left out, since it would end the body.
void write_chunk(std::string& out, std::string_view piece);
Result<void> write_last_chunk(std::string& out, std::span<const Header> trailers = {});

}  // namespace eddy::http
