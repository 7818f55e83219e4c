#include <eddy/net/http/message_writer.h>
#include <eddy/net/printable_internal.h>
#include <stddef.h>
#include <strings.h>

#include <algorithm>
#include <charconv>
#include <expected>
#include <utility>

namespace eddy::http {
namespace {

// RFC 9110, section 5.6.2.
bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").contains(c);
  });
}

// RFC 9110, section 5.5.
bool is_field_text(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c == '\t' || (byte >= ' ' && byte != 0x7f);
  });
}

bool is_target(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

bool is_name(std::string_view name, std::string_view of) {
  return name.size() == of.size() && strncasecmp(name.data(), of.data(), of.size()) == 0;
}

bool has(std::span<const Header> headers, std::string_view name) {
  return std::ranges::any_of(headers, [&](const Header& one) { return is_name(one.name, name); });
}

std::unexpected<Error> refuse(Errc code, const char* call, std::string_view subject,
                              const char* advice) {
  return std::unexpected<Error>(std::in_place, code, call, printable(subject), advice);
}

Result<void> check_headers(const char* call, std::span<const Header> headers) {
  for (const Header& header : headers) {
    if (!is_token(header.name)) {
      return refuse(Errc::kInvalidHeaderToken, call, header.name,
                    "the name of a header is a token");
    }
    if (!is_field_text(header.value)) {
      return refuse(Errc::kInvalidHeaderToken, call, header.name,
                    "there is a control character in the value");
    }
  }
  return {};
}

// How long a message is, is told once.
template <typename Message>
Result<void> check_message(const char* call, const Message& message) {
  const bool has_length = has(message.headers, "Content-Length");
  const bool has_encoding = has(message.headers, "Transfer-Encoding");
  if (has_length + has_encoding + message.body.has_value() + message.is_chunked > 1) {
    return refuse(Errc::kUnexpectedContentLength, call, "",
                  "give the body, is_chunked or a header of yours: the length is told once");
  }
  return check_headers(call, message.headers);
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

void append_number(std::string& out, size_t number, int base) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof(digits), number, base);
  out.append(digits, end);
}

template <typename Message>
void append_rest(std::string& out, const Message& message) {
  for (const Header& header : message.headers) append_field(out, header.name, header.value);
  if (message.is_chunked) append_field(out, "Transfer-Encoding", "chunked");
  if (message.body) {
    out.append("Content-Length: ");
    append_number(out, message.body->size(), 10);
    out.append("\r\n");
  }
  out.append("\r\n").append(message.body.value_or(std::string_view()));
}

Result<void> write(std::string& out, const Request& request, std::string_view host) {
  static constexpr const char* kCall = "HTTP request";
  if (!is_token(request.method)) {
    return refuse(Errc::kInvalidMethod, kCall, request.method, "a method is a token");
  }
  if (!is_target(request.target)) {
    return refuse(Errc::kInvalidUrl, kCall, request.target,
                  "a target is not empty, and has neither white space nor control characters");
  }
  if (auto ok = check_message(kCall, request); !ok) return ok;
  out.append(request.method).append(" ").append(request.target).append(" HTTP/1.1\r\n");
  if (!host.empty()) append_field(out, "Host", host);
  append_rest(out, request);
  return {};
}

}  // namespace

Result<void> write_request(std::string& out, const Request& request) {
  return write(out, request, {});
}

Result<void> write_request(std::string& out, const Url& url, Request request) {
  request.target = url.target;
  if (has(request.headers, "Host")) return write(out, request, {});
  const std::string host = url.authority();
  const Header field = {"Host", host};
  if (auto ok = check_headers("HTTP request", {&field, 1}); !ok) return ok;
  return write(out, request, host);
}

Result<void> write_response(std::string& out, const Response& response) {
  static constexpr const char* kCall = "HTTP response";
  const unsigned status = response.status;
  if (status < 100 || status > 999) {
    return refuse(Errc::kInvalidStatus, kCall, std::to_string(status), "a status has three digits");
  }
  if (!is_field_text(response.reason)) {
    return refuse(Errc::kInvalidStatus, kCall, response.reason,
                  "there is a control character in the reason");
  }
  const bool has_no_body = status < 200 || status == 204 || status == 304;
  if (has_no_body && (response.body || response.is_chunked)) {
    return refuse(Errc::kUnexpectedContentLength, kCall, std::to_string(status),
                  "1xx, 204 and 304 have no body (RFC 9112, section 6.3)");
  }
  if (auto ok = check_message(kCall, response); !ok) return ok;
  out.append("HTTP/1.1 ");
  append_number(out, status, 10);
  out.append(" ").append(response.reason).append("\r\n");
  append_rest(out, response);
  return {};
}

void write_chunk(std::string& out, std::string_view piece) {
  if (piece.empty()) return;
  append_number(out, piece.size(), 16);
  out.append("\r\n").append(piece).append("\r\n");
}

Result<void> write_last_chunk(std::string& out, std::span<const Header> trailers) {
  if (auto ok = check_headers("HTTP trailer", trailers); !ok) return ok;
  out.append("0\r\n");
  for (const Header& trailer : trailers) append_field(out, trailer.name, trailer.value);
  out.append("\r\n");
  return {};
}

}  // namespace eddy::http
