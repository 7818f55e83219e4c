#include "load/target.h"

#include <eddy/net/resolver.h>

#include <utility>

namespace eddy::load {
namespace {

constexpr std::string_view kTcp = "tcp://";
constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttps = "https://";
constexpr std::string_view kRedisScheme = "redis://";
constexpr std::string_view kRedisPort = ":6379";
constexpr std::string_view kMemcachedScheme = "memcached://";
constexpr std::string_view kMemcachedPort = ":11211";
constexpr std::string_view kUdp = "udp://";
constexpr std::string_view kUnix = "unix:";

Result<Target> parse_http(std::string_view text) {
  auto url = http::Url::parse(text);
  if (!url) return std::unexpected(url.error());
  Target target = {.protocol = Protocol::kHttp, .url = std::move(*url)};
  target.service = std::to_string(target.url.port);
  if (!target.url.host_is_address()) {
    target.host = target.url.host;
    return target;
  }
  const auto address = Address::parse(target.url.host, target.url.port);
  if (!address) return std::unexpected(address.error());
  target.address = *address;
  return target;
}

// An address must be right as it stands; what looks like none may be a name.
Result<Target> parse_address(Protocol protocol, std::string_view rest) {
  const auto address = Address::parse(rest);
  if (address) return Target{.protocol = protocol, .address = *address};
  const size_t colon = rest.rfind(':');
  const std::string_view host = rest.substr(0, colon);
  const bool is_name =
      colon != std::string_view::npos && host.find_first_of("[]:/") == std::string_view::npos &&
      host.find_first_not_of("0123456789.") != std::string_view::npos && colon + 1 < rest.size();
  if (!is_name) return std::unexpected(address.error());
  return Target{.protocol = protocol,
                .host = std::string(host),
                .service = std::string(rest.substr(colon + 1))};
}

Result<Target> parse_store(Protocol protocol, std::string_view rest, std::string_view port) {
  const bool has_port = rest.rfind(':') != std::string_view::npos && !rest.ends_with(']');
  return parse_address(protocol, has_port ? std::string(rest) : std::string(rest).append(port));
}

}  // namespace

Result<Target> parse_target(std::string_view text) {
  if (text.starts_with(kHttp) || text.starts_with(kHttps)) return parse_http(text);
  if (text.starts_with(kTcp)) return parse_address(Protocol::kEcho, text.substr(kTcp.size()));
  if (text.starts_with(kUdp)) return parse_address(Protocol::kDatagram, text.substr(kUdp.size()));
  if (text.starts_with(kRedisScheme)) {
    return parse_store(Protocol::kRedis, text.substr(kRedisScheme.size()), kRedisPort);
  }
  if (text.starts_with(kMemcachedScheme)) {
    return parse_store(Protocol::kMemcached, text.substr(kMemcachedScheme.size()), kMemcachedPort);
  }
  if (text.starts_with(kUnix)) {
    const auto address = Address::parse(text);
    if (!address) return std::unexpected(address.error());
    return Target{.address = *address};
  }
  return std::unexpected(
      Error(Errc::kBadAddress, "target", std::string(text),
            "targets are tcp://HOST:PORT, udp://HOST:PORT, unix:PATH, http://HOST/PATH, "
            "https://HOST/PATH, redis://HOST and memcached://HOST"));
}

Result<Address> address_of(Reactor& reactor, const Target& target) {
  if (target.address) return *target.address;
  Resolver resolver(reactor);
  Result<Address> found;
  const auto asked =
      resolver.resolve(target.host, target.service, [&](const Result<ResolvedName>& answer) {
        if (answer) {
          found = answer->addresses.front();
        } else {
          found = std::unexpected(answer.error());
        }
      });
  if (!asked) return std::unexpected(asked.error());
  reactor.run();
  return found;
}

}  // namespace eddy::load
