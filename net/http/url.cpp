#include <eddy/core/error.h>
#include <eddy/net/address.h>
#include <eddy/net/http/url.h>
#include <eddy/net/printable_internal.h>
#include <stddef.h>

#include <algorithm>
#include <charconv>
#include <expected>
#include <optional>
#include <utility>

namespace eddy::http {
namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kHexDigits = "0123456789abcdefABCDEF";
constexpr std::string_view kHostCharacters =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.";
// RFC 3986, appendix A: what a path and a query are made of.
constexpr std::string_view kTargetCharacters =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~!$&'()*+,;=:@/?%";
constexpr size_t kMaxNameBytes = 253;  // RFC 1035, section 2.3.4, as text

bool consists_of(std::string_view text, std::string_view characters) {
  return text.find_first_not_of(characters) == std::string_view::npos;
}

std::string in_lower_case(std::string_view text) {
  std::string result(text);
  for (char& character : result) {
    if (character >= 'A' && character <= 'Z') character += 'a' - 'A';
  }
  return result;
}

// The functions below take a part of the text, and give what is wrong with it, if anything is.
using Wrong = std::optional<std::string>;

Wrong take_scheme(std::string_view& text, Url& url) {
  const size_t end = text.find("://");
  if (end == std::string_view::npos) return "it begins with http:// or https://";
  const std::string scheme = in_lower_case(text.substr(0, end));
  if (scheme != "http" && scheme != "https") return "the scheme is http or https";
  url.is_https = scheme == "https";
  text.remove_prefix(end + 3);
  return std::nullopt;
}

Wrong take_name(std::string_view name, Url& url) {
  if (name.empty()) return "there is no host";
  if (!consists_of(name, kHostCharacters)) {
    return "a host is letters, digits, '-', '_' and '.', or an IPv6 address in brackets";
  }
  if (name.size() > kMaxNameBytes) return "the name of a host has at most 253 bytes";
  if (name[0] == '.' || name.contains("..")) return "a part of the host's name is empty";
  url.host = in_lower_case(name);
  // No name of the domain name system ends in a number, so this is meant for an address.
  const size_t last = name.rfind('.');
  if (consists_of(name.substr(last == std::string_view::npos ? 0 : last + 1), kDigits) &&
      !name.ends_with('.') && !url.host_is_address()) {
    return "IPv4 is four numbers from 0 to 255 without leading zeros: 127.0.0.1";
  }
  return std::nullopt;
}

// `text` is what follows the scheme; what is left of it is the port, with its colon.
Wrong take_host(std::string_view& text, Url& url) {
  if (text.contains('@')) return "a user in a URL is not taken: send an Authorization header";
  if (!text.starts_with('[')) {
    const std::string_view name = text.substr(0, text.find(':'));
    if (std::ranges::count(text, ':') > 1) return "an IPv6 address stands in brackets: [::1]";
    text.remove_prefix(name.size());
    return take_name(name, url);
  }
  const size_t end = text.find(']');
  if (end == std::string_view::npos) return "no ] after the IPv6 address";
  url.host = in_lower_case(text.substr(1, end - 1));
  if (!url.host.contains(':') || url.host.contains('%') || !url.host_is_address()) {
    return "what stands in brackets is no IPv6 address";
  }
  text.remove_prefix(end + 1);
  return std::nullopt;
}

Wrong take_port(std::string_view text, Url& url) {
  url.port = url.default_port();
  if (text.empty() || text == ":") return std::nullopt;  // RFC 3986, section 3.2.3
  if (text[0] != ':') return "after ] come a colon and the port, or the path";
  text.remove_prefix(1);
  const char* const end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, url.port);
  if (error != std::errc() || parsed != end || url.port == 0) {
    return "the port is a number from 1 to 65535";
  }
  return std::nullopt;
}

Wrong take_target(std::string_view text, Url& url) {
  const size_t bad = text.find_first_not_of(kTargetCharacters);
  if (bad != std::string_view::npos) {
    return printable(text.substr(bad, 1)) + " must be percent-encoded";
  }
  for (size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1)) {
    const std::string_view digits = text.substr(at + 1, 2);
    if (digits.size() != 2 || !consists_of(digits, kHexDigits)) {
      return "after % come two hexadecimal digits";
    }
  }
  url.target = text.starts_with('/') ? std::string(text) : '/' + std::string(text);
  return std::nullopt;
}

Wrong take(std::string_view text, Url& url) {
  if (Wrong wrong = take_scheme(text, url)) return wrong;
  text = text.substr(0, text.find('#'));
  std::string_view authority = text.substr(0, text.find_first_of("/?"));
  text.remove_prefix(authority.size());
  if (Wrong wrong = take_host(authority, url)) return wrong;
  if (Wrong wrong = take_port(authority, url)) return wrong;
  return take_target(text, url);
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  Url url;
  if (Wrong wrong = take(text, url)) {
    return std::unexpected<Error>(std::in_place, eddy::Errc::kBadAddress, "parse", printable(text),
                                  *std::move(wrong));
  }
  return url;
}

bool Url::host_is_address() const noexcept { return Address::parse(host, port).has_value(); }

std::string Url::authority() const {
  std::string result = host.contains(':') ? '[' + host + ']' : host;
  if (port != default_port()) result += ':' + std::to_string(port);
  return result;
}

}  // namespace eddy::http
