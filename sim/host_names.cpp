// The names that a host asks for: getaddrinfo(3) and getnameinfo(3) over the world's name server,
// with glibc's ways.
#include <eddy/sim/host_kernel.h>
#include <eddy/sim/name_server.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <vector>

namespace eddy::sim {
namespace {

// resolv.conf(5), "timeout" and "attempts".
constexpr int64_t kAttemptNs = 5'000'000'000;
constexpr int kAttempts = 2;

constexpr int kKnownFlags = AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_NUMERICSERV |
                            AI_V4MAPPED | AI_ALL | AI_ADDRCONFIG | AI_IDN | AI_CANONIDN;

// A kind of socket that a question may be about, with the port that its service has.
struct Transport {
  int type;
  int protocol;
  uint16_t port = 0;
};
constexpr Transport kTransports[] = {
    {SOCK_STREAM, IPPROTO_TCP}, {SOCK_DGRAM, IPPROTO_UDP}, {SOCK_RAW, 0}};

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// An element of the list, with what it points to.
struct Node {
  addrinfo info = {};
  sockaddr_storage address = {};
  std::string canonical;
};
static_assert(offsetof(Node, info) == 0);

// A question of getaddrinfo's, in steps each of which gives 0 or an EAI_ value.
class Question {
 public:
  Question(const addrinfo* hints, sa_family_t family_of_host) : family_of_host_(family_of_host) {
    if (hints != nullptr) hints_ = *hints;
  }

  const addrinfo& hints() const { return hints_; }
  int check(const char* host, const char* service) const {
    if ((hints_.ai_flags & ~kKnownFlags) != 0) return EAI_BADFLAGS;
    if ((hints_.ai_flags & AI_CANONNAME) != 0 && host == nullptr) return EAI_BADFLAGS;
    if (host == nullptr && service == nullptr) return EAI_NONAME;
    const int family = hints_.ai_family;
    return family == AF_UNSPEC || family == AF_INET || family == AF_INET6 ? 0 : EAI_FAMILY;
  }

  int find_transports(const char* service) {
    for (Transport transport : kTransports) {
      if (hints_.ai_socktype != 0 && hints_.ai_socktype != transport.type) continue;
      if (hints_.ai_protocol != 0 && transport.protocol != 0 &&
          hints_.ai_protocol != transport.protocol) {
        continue;
      }
      transports_.push_back(transport);
      if (hints_.ai_socktype != 0 || hints_.ai_protocol != 0) break;
    }
    if (transports_.empty()) return service == nullptr ? EAI_SOCKTYPE : EAI_SERVICE;
    if (service == nullptr) return 0;
    if (is_number(service)) {
      for (Transport& transport : transports_) {
        transport.port = static_cast<uint16_t>(strtoul(service, nullptr, 10));
      }
      return 0;
    }
    if ((hints_.ai_flags & AI_NUMERICSERV) != 0) return EAI_NONAME;
    std::erase_if(transports_, [&](Transport& transport) {
      const auto port = NameServer::port_of(service, transport.type == SOCK_DGRAM);
      transport.port = port.value_or(0);
      return transport.type == SOCK_RAW || !port;
    });
    return transports_.empty() ? EAI_SERVICE : 0;
  }

  void take_own() {
    const bool passive = (hints_.ai_flags & AI_PASSIVE) != 0;
    for (const char* text : {passive ? "0.0.0.0" : "::1", passive ? "::" : "127.0.0.1"}) {
      Name name;
      Name::parse_ip(text, name);
      if (takes(name.family)) addresses_.push_back(name);
    }
  }

  int take_numeric(const Name& name) {
    if (!takes(name.family) && !maps(name.family)) return EAI_ADDRFAMILY;
    addresses_.push_back(name);
    return 0;
  }

  int take(const std::vector<Name>& all) {
    sa_family_t family = static_cast<sa_family_t>(hints_.ai_family);
    if ((hints_.ai_flags & AI_ADDRCONFIG) != 0) {
      if (family == AF_UNSPEC) family = family_of_host_;
      if (family != family_of_host_) return EAI_NONAME;
    }
    const auto add = [&](auto&& fits) {
      std::ranges::copy_if(all, std::back_inserter(addresses_), fits);
    };
    add([&](const Name& name) { return family == AF_UNSPEC || name.family == family; });
    const bool wants_mapped = addresses_.empty() || (hints_.ai_flags & AI_ALL) != 0;
    if (wants_mapped) add([&](const Name& name) { return maps(name.family); });
    return addresses_.empty() ? (all.empty() ? EAI_NONAME : EAI_NODATA) : 0;
  }

  addrinfo* answer(const std::string& canonical) const {
    addrinfo* first = nullptr;
    addrinfo** end = &first;
    for (const Name& address : addresses_) {
      for (const Transport& transport : transports_) {
        auto* node = new Node;
        Name name = address;
        name.port = transport.port;
        const auto family = static_cast<sa_family_t>(maps(name.family) ? AF_INET6 : name.family);
        node->info = hints_;
        node->info.ai_family = family;
        node->info.ai_socktype = transport.type;
        node->info.ai_protocol = transport.protocol != 0 ? transport.protocol : hints_.ai_protocol;
        node->info.ai_addr = reinterpret_cast<sockaddr*>(&node->address);
        node->info.ai_addrlen = sizeof node->address;
        name.store(family, node->info.ai_addr, &node->info.ai_addrlen);
        node->info.ai_canonname = nullptr;
        node->info.ai_next = nullptr;
        if (first == nullptr && (hints_.ai_flags & AI_CANONNAME) != 0) {
          node->canonical = canonical;
          node->info.ai_canonname = node->canonical.data();
        }
        *end = &node->info;
        end = &node->info.ai_next;
      }
    }
    return first;
  }

 private:
  bool takes(sa_family_t family) const {
    return hints_.ai_family == AF_UNSPEC || hints_.ai_family == family;
  }
  bool maps(sa_family_t family) const {
    return family == AF_INET && hints_.ai_family == AF_INET6 &&
           (hints_.ai_flags & AI_V4MAPPED) != 0;
  }

  addrinfo hints_ = {.ai_flags = AI_V4MAPPED | AI_ADDRCONFIG};
  sa_family_t family_of_host_;
  std::vector<Transport> transports_;
  std::vector<Name> addresses_;
};

// Into the room, with its zero byte; false if it does not fit.
bool store(const std::string& text, char* room, socklen_t size) {
  if (text.size() >= size) return false;
  memcpy(room, text.c_str(), text.size() + 1);
  return true;
}

}  // namespace

int HostKernel::getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                            addrinfo** list, int* error) {
  *error = 0;
  enter_call();
  Question question(hints, address_.family);
  if (const int wrong = question.check(host, service); wrong != 0) return wrong;
  if (const int wrong = question.find_transports(service); wrong != 0) return wrong;
  if (simulation_.strikes(Fault::kNoMemory, *this)) return EAI_MEMORY;
  Name numeric;
  std::string canonical = host == nullptr ? "" : host;
  int failed = 0;
  if (host == nullptr) {
    question.take_own();
  } else if (Name::parse_ip(host, numeric)) {
    failed = question.take_numeric(numeric);
  } else if ((question.hints().ai_flags & AI_NUMERICHOST) != 0) {
    failed = EAI_NONAME;
  } else {
    NameServer::Entry entry;
    failed = look_up(host, entry);
    if (failed == 0) failed = question.take(entry.addresses);
    if (!entry.canonical.empty()) canonical = entry.canonical;
  }
  if (failed == 0) *list = question.answer(canonical);
  return failed;
}

// The name server is asked by datagrams, which may be lost, and is asked again.
int HostKernel::look_up(const std::string& name, NameServer::Entry& entry) {
  for (int attempt = 0; simulation_.strikes(Fault::kDatagramLost, *this);) {
    spend(kAttemptNs);
    if (++attempt == kAttempts) return EAI_AGAIN;
  }
  const NameServer::Entry* found = simulation_.names->find(name);
  simulation_.note(*this, "look_up", {found != nullptr});
  if (found == nullptr) {
    spend(NameServer::kUnknownNs);
    return EAI_NONAME;
  }
  entry = *found;
  spend(entry.latency_ns);
  return entry.failure;
}

void HostKernel::freeaddrinfo(addrinfo* list) {
  while (list != nullptr) {
    auto* node = reinterpret_cast<Node*>(list);
    list = list->ai_next;
    delete node;
  }
}

int HostKernel::getnameinfo(const sockaddr* address, socklen_t length, char* host,
                            socklen_t host_size, char* service, socklen_t service_size, int flags,
                            int* error) {
  *error = 0;
  enter_call();
  Name name;
  if (Name::parse(address, length, name) < 0) return EAI_FAMILY;
  const bool wants_host = host != nullptr && host_size > 0;
  const bool wants_service = service != nullptr && service_size > 0;
  if (wants_host) {
    std::optional<std::string> known;
    if ((flags & NI_NUMERICHOST) == 0) {
      known = simulation_.names->name_of(name);
      spend(NameServer::kUnknownNs);
    }
    if (!known && (flags & NI_NAMEREQD) != 0) return EAI_NONAME;
    if (!store(known.value_or(name.to_string()), host, host_size)) return EAI_OVERFLOW;
  }
  if (!wants_service) return 0;
  std::optional<std::string> known;
  if ((flags & NI_NUMERICSERV) == 0) {
    known = NameServer::service_of(name.port, (flags & NI_DGRAM) != 0);
  }
  if (store(known.value_or(std::to_string(name.port)), service, service_size)) return 0;
  return EAI_OVERFLOW;
}

}  // namespace eddy::sim
