#include <eddy/net/address.h>
#include <eddy/net/printable_internal.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <expected>
#include <optional>
#include <utility>

namespace eddy {
namespace {

// A value, or what is wrong with the text: the Error's advice.
template <typename T>
using Parsed = std::expected<T, std::string>;

// The longest: "[", 45 bytes of an address, "%", 15 of an interface's name, "]:65535".
constexpr size_t kMaxTextBytes = 128;

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kNameCharacters =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.";

constexpr std::string_view kUnixScheme = "unix:";
constexpr size_t kPathOffset = offsetof(sockaddr_un, sun_path);
constexpr size_t kPathCapacity = sizeof(sockaddr_un::sun_path);

bool consists_of(std::string_view text, std::string_view characters) {
  return text.find_first_not_of(characters) == std::string_view::npos;
}

std::unexpected<Error> bad_address(std::string_view text, std::string advice) {
  return std::unexpected<Error>(std::in_place, Errc::kBadAddress, "parse", printable(text),
                                std::move(advice));
}

// What is wrong with any text that is to hold an address, if anything is.
std::optional<std::string> refuse(std::string_view text) {
  if (text.size() > kMaxTextBytes) return "longer than any address";
  if (text.contains('\0')) return "there is a NUL byte in it";
  return std::nullopt;
}

Parsed<uint16_t> parse_port(std::string_view text) {
  if (text.empty()) return std::unexpected("no port after the colon");
  if (!consists_of(text, kDigits))
    return std::unexpected("the port is a decimal number from 0 to 65535");
  if (text.size() > 1 && text[0] == '0') return std::unexpected("the port has a leading zero");
  uint16_t port = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), port).ec != std::errc()) {
    return std::unexpected("a port is at most 65535");
  }
  return port;
}

Parsed<sockaddr_in> parse_ipv4(std::string_view host) {
  sockaddr_in result = {.sin_family = AF_INET};
  if (inet_pton(AF_INET, std::string(host).c_str(), &result.sin_addr) == 1) return result;
  if (host == "localhost") {
    return std::unexpected("names are not looked up here: write 127.0.0.1 or [::1]");
  }
  if (consists_of(host, "0123456789.")) {
    return std::unexpected("IPv4 is four numbers from 0 to 255 without leading zeros: 127.0.0.1");
  }
  if (consists_of(host, kNameCharacters)) {
    return std::unexpected("names are not looked up here: write the address");
  }
  return std::unexpected("write IPv4 as 127.0.0.1:7000, IPv6 as [::1]:7000, any address as *:7000");
}

bool takes_scope(const in6_addr& address) {
  return IN6_IS_ADDR_LINKLOCAL(&address) || IN6_IS_ADDR_MC_LINKLOCAL(&address) ||
         IN6_IS_ADDR_MC_NODELOCAL(&address);
}

Parsed<uint32_t> parse_scope(std::string_view text) {
  if (text.empty()) return std::unexpected("no interface after %");
  if (consists_of(text, kDigits)) {
    uint32_t index = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), index).ec == std::errc() &&
        index != 0) {
      return index;
    }
    return std::unexpected("an interface's number is from 1 to 4294967295");
  }
  const unsigned index = if_nametoindex(std::string(text).c_str());
  if (index == 0) return std::unexpected("no interface is called " + printable(text));
  return index;
}

Parsed<sockaddr_in6> parse_ipv6(std::string_view host) {
  const size_t percent = host.find('%');
  sockaddr_in6 result = {.sin6_family = AF_INET6};
  if (inet_pton(AF_INET6, std::string(host.substr(0, percent)).c_str(), &result.sin6_addr) != 1) {
    return std::unexpected("what stands in brackets is no IPv6 address");
  }
  if (percent == std::string_view::npos) return result;
  if (!takes_scope(result.sin6_addr)) {
    return std::unexpected("only a link-local address (fe80::, ff02::) has a scope");
  }
  const auto scope = parse_scope(host.substr(percent + 1));
  if (!scope) return std::unexpected(scope.error());
  result.sin6_scope_id = *scope;
  return result;
}

struct HostAndPort {
  std::string_view host;
  std::string_view port;
  bool in_brackets;
};

Parsed<HostAndPort> split(std::string_view text) {
  if (text.empty()) return std::unexpected("it is empty: write HOST:PORT, such as 127.0.0.1:7000");
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return std::unexpected("no ] after the IPv6 address");
    const std::string_view rest = text.substr(end + 1);
    if (rest.empty()) return std::unexpected("no port: write [IPV6]:PORT, such as [::1]:7000");
    if (rest[0] != ':') return std::unexpected("after ] come a colon and the port, and no more");
    return HostAndPort{text.substr(1, end - 1), rest.substr(1), true};
  }
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    return std::unexpected("no port: write HOST:PORT, such as 127.0.0.1:7000");
  }
  if (text.find(':', colon + 1) != std::string_view::npos) {
    return std::unexpected("an IPv6 address stands in brackets: [::1]:7000");
  }
  return HostAndPort{text.substr(0, colon), text.substr(colon + 1), false};
}

// What the text of a Unix socket's name stands for: \xNN is a byte, everything else is itself.
Parsed<std::string> unescape(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    const char first = text[0];
    if (first == '\\') {
      const std::string_view digits = text.starts_with("\\x") ? text.substr(2, 2) : "";
      unsigned char byte = 0;
      const char* const begin = digits.data();
      const char* const end = begin + digits.size();
      if (digits.size() != 2 || std::from_chars(begin, end, byte, 16).ptr != end) {
        return std::unexpected(
            "after a backslash come x and two hexadecimal digits: a backslash "
            "itself is \\x5c");
      }
      bytes += static_cast<char>(byte);
      text.remove_prefix(4);
    } else if (first == '\0') {
      return std::unexpected("there is a NUL byte in it");
    } else if (static_cast<unsigned char>(first) < ' ' || first == '\x7f') {
      return std::unexpected("a control character is written as its number: " + escaped(first));
    } else {
      bytes += first;
      text.remove_prefix(1);
    }
  }
  return bytes;
}

}  // namespace

template <typename Sockaddr>
Address::Address(const Sockaddr& address) noexcept : size_(sizeof(address)) {
  static_assert(sizeof(Sockaddr) <= kCapacity);
  memcpy(bytes_.data(), &address, sizeof(address));
}

template <typename Sockaddr>
Sockaddr Address::as() const noexcept {
  Sockaddr result;
  memcpy(&result, bytes_.data(), sizeof(result));
  return result;
}

static_assert(sizeof(sockaddr_un) == 110 && sizeof(Address) == 112);

Result<Address> Address::parse_host(std::string_view host, bool is_ipv6, std::string_view text) {
  if (is_ipv6) {
    const auto address = parse_ipv6(host);
    if (!address) return bad_address(text, address.error());
    return Address(*address);
  }
  if (host.empty() || host == "*") return Address(sockaddr_in{.sin_family = AF_INET});
  const auto address = parse_ipv4(host);
  if (!address) return bad_address(text, address.error());
  return Address(*address);
}

Address Address::unix_socket(std::string_view name) noexcept {
  sockaddr_un socket = {.sun_family = AF_UNIX, .sun_path = {}};
  memcpy(socket.sun_path, name.data(), name.size());
  Address result(socket);
  // An abstract name is as long as the size says; behind a path is a NUL, unless it fills all.
  const bool is_path = !name.empty() && name[0] != '\0';
  const size_t size = kPathOffset + name.size() + (is_path ? 1 : 0);
  result.size_ = static_cast<uint16_t>(std::min(size, sizeof(socket)));
  return result;
}

Result<Address> Address::parse_unix(std::string_view text) {
  std::string_view name = text.substr(kUnixScheme.size());
  const bool is_abstract = name.starts_with('@');
  if (is_abstract) name.remove_prefix(1);
  if (name.empty()) {
    return bad_address(
        text, is_abstract ? "no name after @" : "no path after unix: (unix:/PATH, or unix:@NAME)");
  }
  auto bytes = unescape(name);
  if (!bytes) return bad_address(text, bytes.error());
  if (bytes->size() > kPathCapacity - 1) {
    return bad_address(text, "it has " + std::to_string(bytes->size()) +
                                 " bytes, and the name of a Unix socket at most " +
                                 std::to_string(kPathCapacity - 1) + " (unix(7))");
  }
  if (is_abstract) return unix_socket('\0' + *bytes);
  if (bytes->contains('\0')) return bad_address(text, "there is a NUL byte in the path");
  return unix_socket(*bytes);
}

Result<Address> Address::parse(std::string_view text) {
  if (text.starts_with(kUnixScheme)) return parse_unix(text);
  if (auto wrong = refuse(text)) return bad_address(text, *std::move(wrong));
  const auto parts = split(text);
  if (!parts) return bad_address(text, parts.error());
  const auto host = parse_host(parts->host, parts->in_brackets, text);
  if (!host) return host;
  const auto port = parse_port(parts->port);
  if (!port) return bad_address(text, port.error());
  return host->with_port(*port);
}

Result<Address> Address::parse(std::string_view host, uint16_t port) {
  if (host.starts_with(kUnixScheme)) return bad_address(host, "a Unix socket has no port");
  if (auto wrong = refuse(host)) return bad_address(host, *std::move(wrong));
  const bool in_brackets = host.starts_with('[') && host.ends_with(']');
  const std::string_view inner = in_brackets ? host.substr(1, host.size() - 2) : host;
  const auto address = parse_host(inner, in_brackets || host.contains(':'), host);
  if (!address) return address;
  return address->with_port(port);
}

bool Address::assign(const sockaddr* address, socklen_t size) noexcept {
  const int family = size < sizeof(sa_family_t) ? AF_UNSPEC : address->sa_family;
  if (family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in given;
    memcpy(&given, address, sizeof(given));
    memset(given.sin_zero, 0, sizeof(given.sin_zero));
    memcpy(bytes_.data(), &given, size_ = sizeof(given));
    return true;
  }
  if (family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 given;
    memcpy(&given, address, sizeof(given));
    given.sin6_flowinfo = 0;
    if (!takes_scope(given.sin6_addr)) given.sin6_scope_id = 0;
    memcpy(bytes_.data(), &given, size_ = sizeof(given));
    return true;
  }
  if (family != AF_UNIX) return false;
  std::string_view name(reinterpret_cast<const char*>(address) + kPathOffset, size - kPathOffset);
  // sun_path need not end with a NUL, and what lies behind one means nothing (unix(7)).
  if (!name.empty() && name[0] != '\0') name = name.substr(0, name.find('\0'));
  if (name.size() > kPathCapacity) return false;
  *this = unix_socket(name);
  return true;
}

Result<Address> Address::from(const sockaddr* address, socklen_t size) {
  Address given;
  if (given.assign(address, size)) return given;
  const int family = size < sizeof(sa_family_t) ? AF_UNSPEC : address->sa_family;
  return std::unexpected<Error>(
      std::in_place, Errc::kBadAddress, "from",
      "a sockaddr of family " + std::to_string(family) + " and " + std::to_string(size) + " bytes",
      "IPv4, IPv6 and Unix sockets are known");
}

std::string Address::to_string() const {
  char host[INET6_ADDRSTRLEN];
  const std::string port_text = ":" + std::to_string(port());
  if (family() == AF_INET) {
    const auto address = as<sockaddr_in>();
    return inet_ntop(AF_INET, &address.sin_addr, host, sizeof(host)) + port_text;
  }
  if (family() == AF_INET6) {
    const auto address = as<sockaddr_in6>();
    std::string text = "[";
    text += inet_ntop(AF_INET6, &address.sin6_addr, host, sizeof(host));
    if (address.sin6_scope_id != 0) text += "%" + std::to_string(address.sin6_scope_id);
    return text + "]" + port_text;
  }
  if (family() == AF_UNIX) {
    std::string text(kUnixScheme);
    if (is_abstract()) text += '@';
    bool is_first = !is_abstract();
    for (const char character : is_abstract() ? abstract_name() : path()) {
      const bool stands =
          is_printable(character) && character != '\\' && (!is_first || character != '@');
      text += stands ? std::string(1, character) : escaped(character);
      is_first = false;
    }
    return text;
  }
  return "unspecified";
}

int Address::family() const noexcept { return size_ == 0 ? AF_UNSPEC : data()->sa_family; }

uint16_t Address::port() const noexcept {
  switch (family()) {
    case AF_INET: return ntohs(as<sockaddr_in>().sin_port);
    case AF_INET6: return ntohs(as<sockaddr_in6>().sin6_port);
    default: return 0;
  }
}

std::string_view Address::unix_name() const noexcept {
  return family() == AF_UNIX ? bytes().substr(kPathOffset) : std::string_view();
}

std::string_view Address::path() const noexcept {
  if (is_abstract()) return {};
  const std::string_view name = unix_name();
  return name.ends_with('\0') ? name.substr(0, name.size() - 1) : name;
}

std::string_view Address::abstract_name() const noexcept {
  return is_abstract() ? unix_name().substr(1) : std::string_view();
}

bool Address::is_abstract() const noexcept { return unix_name().starts_with('\0'); }

Address Address::with_port(uint16_t port) const noexcept {
  if (family() == AF_INET) {
    auto address = as<sockaddr_in>();
    address.sin_port = htons(port);
    return Address(address);
  }
  if (family() == AF_INET6) {
    auto address = as<sockaddr_in6>();
    address.sin6_port = htons(port);
    return Address(address);
  }
  return *this;
}

bool Address::is_loopback() const noexcept {
  if (family() == AF_INET) return ntohl(as<sockaddr_in>().sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
  if (family() != AF_INET6) return false;
  const in6_addr host = as<sockaddr_in6>().sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&host) ||
         (IN6_IS_ADDR_V4MAPPED(&host) && host.s6_addr[12] == IN_LOOPBACKNET);
}

bool Address::is_any() const noexcept {
  if (family() == AF_INET) return as<sockaddr_in>().sin_addr.s_addr == INADDR_ANY;
  if (family() != AF_INET6) return false;
  const in6_addr host = as<sockaddr_in6>().sin6_addr;
  return IN6_IS_ADDR_UNSPECIFIED(&host);
}

}  // namespace eddy
