#include "load/http_request.h"

#include <eddy/net/http/message_writer.h>

#include <algorithm>
#include <string_view>

#include "load/text_file.h"

namespace eddy::load {
namespace {

Result<http::Header> split(std::string_view header) {
  const size_t colon = header.find(':');
  if (colon == std::string_view::npos) {
    return std::unexpected(Error(make_error_code(std::errc::invalid_argument), "header",
                                 std::string(header), "it has the form 'Name: value'"));
  }
  std::string_view value = header.substr(colon + 1);
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  return http::Header{.name = header.substr(0, colon), .value = value};
}

Result<std::string> body_of(const HttpRequest& request) {
  if (request.body_file.empty()) return request.body;
  return read_file(request.body_file, kMostDataBytes);
}

}  // namespace

Result<std::string> wire_format(const HttpRequest& request, const http::Url& url) {
  std::vector<http::Header> headers;
  for (const std::string& text : request.headers) {
    const auto header = split(text);
    if (!header) return std::unexpected(header.error());
    headers.push_back(*header);
  }
  const auto body = body_of(request);
  if (!body) return std::unexpected(body.error());
  http::Request wanted = {.method = request.method, .headers = headers};
  if (!body->empty()) wanted.body = *body;
  std::string text;
  const auto written = http::write_request(text, url, wanted);
  if (!written) return std::unexpected(written.error());
  return text;
}

}  // namespace eddy::load
