#include <eddy/sim/name_server.h>

#include <algorithm>

namespace eddy::sim {
namespace {

struct Service {
  std::string_view name;
  uint16_t port;
  bool of_streams;
  bool of_datagrams;
};
constexpr Service kServices[] = {
    {"echo", 7, true, true},   {"discard", 9, true, true}, {"ssh", 22, true, false},
    {"smtp", 25, true, false}, {"domain", 53, true, true}, {"tftp", 69, false, true},
    {"http", 80, true, false}, {"ntp", 123, false, true},  {"https", 443, true, true},
};

bool offers(const Service& service, bool is_datagram) {
  return is_datagram ? service.of_datagrams : service.of_streams;
}

}  // namespace

NameServer::NameServer() {
  Entry localhost;
  Name::parse_ip("::1", localhost.addresses.emplace_back());
  Name::parse_ip("127.0.0.1", localhost.addresses.emplace_back());
  add("localhost", localhost);
}

const NameServer::Entry* NameServer::find(const std::string& name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : &found->second;
}

std::optional<std::string> NameServer::name_of(const Name& address) const {
  Name host = address;
  host.port = 0;
  for (const auto& [name, entry] : names_) {
    if (std::ranges::find(entry.addresses, host) != entry.addresses.end()) return name;
  }
  return std::nullopt;
}

std::optional<uint16_t> NameServer::port_of(std::string_view service, bool is_datagram) {
  for (const Service& known : kServices) {
    if (known.name == service && offers(known, is_datagram)) return known.port;
  }
  return std::nullopt;
}

std::optional<std::string> NameServer::service_of(uint16_t port, bool is_datagram) {
  for (const Service& known : kServices) {
    if (known.port == port && offers(known, is_datagram)) return std::string(known.name);
  }
  return std::nullopt;
}

}  // namespace eddy::sim
