// The request that is sent to an HTTP server, from what the user asked for.
#pragma once

#include <eddy/core/error.h>
#include <eddy/net/http/url.h>

#include <string>
#include <vector>

namespace eddy::load {

struct HttpRequest {
  std::string method = "GET";
  std::vector<std::string> headers{};  // "Name: value"
  std::string body{};
  std::string body_file{};  // in the place of `body`
};

// As it goes over the wire: with the URL's Host, unless a header has one, and with the body's
// Content-Length.
Result<std::string> wire_format(const HttpRequest& request, const http::Url& url);

}  // namespace eddy::load
