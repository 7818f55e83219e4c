// The names of a simulated world, and the services that every host knows.
//
// What it is: /etc/hosts, /etc/services and a name server in one table. All hosts ask the same one.
#pragma once

#include <eddy/sim/network.h>
#include <stdint.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace eddy::sim {

class NameServer {
 public:
  struct Entry {
    std::vector<Name> addresses;
    int64_t latency_ns = 0;
    int failure = 0;        // an EAI_ value in place of the answer
    std::string canonical;  // empty: the name itself
  };
  static constexpr int64_t kUnknownNs = 2'000'000;  // to learn that there is no such name

  NameServer();
  void add(std::string_view name, Entry entry) { names_[std::string(name)] = std::move(entry); }
  const Entry* find(const std::string& name) const;
  // The first name of an address; nothing if it has none.
  std::optional<std::string> name_of(const Name& address) const;

  // services(5), those that are used most: a port for the name, a name for the port.
  static std::optional<uint16_t> port_of(std::string_view service, bool is_datagram);
  static std::optional<std::string> service_of(uint16_t port, bool is_datagram);

 private:
  std::map<std::string, Entry> names_;
};

}  // namespace eddy::sim
