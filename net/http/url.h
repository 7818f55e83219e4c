// http and https URLs (RFC 9110, section 4.2; RFC 3986).
//
// What it is: a plain value, with what a client needs: whom to connect to, and what to ask for.
//
//   http://example.org/a?b=c      port 80
//   https://192.0.2.1:8443/       the port is 443 unless it is given
//   http://[2001:db8::1]:8080     IPv6 in brackets; without a path, the target is "/"
//
// Strict: a host is a name of letters, digits, '-', '_' and '.', or an address; a character that
// must be percent-encoded is refused, and not encoded. A user in it (user:password@) is refused
// (RFC 9110, section 4.2.4). A fragment is dropped: it is never sent.
//
// Failure: eddy::Errc::kBadAddress, with the text as subject and what is wrong as advice.
//
// Threads: a value; any thread may hold, copy and read it.
#pragma once

#include <eddy/core/error.h>
#include <stdint.h>

#include <string>
#include <string_view>

namespace eddy::http {

struct Url {
  bool is_https = false;
  std::string host;  // a name in lower case, or an address, without brackets
  uint16_t port = 80;
  std::string target = "/";  // the path and the query, as a request's first line has it

  static Result<Url> parse(std::string_view text);

  uint16_t default_port() const noexcept { return is_https ? 443 : 80; }
  // The host is an IPv4 or IPv6 address: eddy::Address::parse(host, port) takes it. Names are for a
  // Resolver.
  bool host_is_address() const noexcept;
  // For a Host header (RFC 9110, section 7.2): "example.org", "[::1]:8080".
  std::string authority() const;
};

}  // namespace eddy::http
