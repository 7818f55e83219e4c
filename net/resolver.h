// Names: hosts and services by getaddrinfo(3), and back by getnameinfo(3), beside the loop.
//
// What it is: a Resolver asks the system's own resolver, so /etc/hosts, nsswitch.conf(5), mDNS and
// whatever else is configured are heard, in the order of getaddrinfo (RFC 6724). Those calls block,
// so a pool of threads makes them (core/work_pool.h); the answer comes as a callback on the loop.
//
//   Resolver resolver(reactor);
//   auto id = resolver.resolve("example.org", "https", [](Result<ResolvedName> found) { … });
//
// Callbacks come once, from a later turn, never from inside the call, also where no thread was
// needed: for numeric addresses, and for what the cache holds.
//
// Equal questions under way are asked once. A cache is there if asked for; since getaddrinfo tells
// no TTL, an answer is kept for as long as the options say, whatever its records say.
//
// Refused at once, with Errc::kBadAddress: a name that is empty, longer than 253 octets, with a
// label longer than 63 (RFC 1035, section 2.3.4), or with a NUL byte; a port above 65535, which
// getaddrinfo would cut to 16 bits. Nothing is ever truncated.
//
// Errors of the system's resolver are codes of `name_category`, whose values are the EAI_ of
// <netdb.h> and whose words gai_strerror's; EAI_SYSTEM comes as the errno behind it.
//
// Destruction: at any time on the reactor's thread, also in a callback; or after the reactor. No
// callback comes then. A look-up that is under way ends in its thread, unheard; the Kernel that it
// uses must outlive it, as LinuxKernel does, and exit(3) waits for it. A program that would rather
// not wait for name servers ends by quick_exit(3).
//
// Threads: the reactor's alone.
#pragma once

#include <eddy/core/error.h>
#include <eddy/core/work_pool.h>
#include <eddy/net/address.h>
#include <netdb.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace eddy {

class Reactor;

// EAI_AGAIN compares with std::errc::resource_unavailable_try_again, EAI_MEMORY with
// not_enough_memory.
const std::error_category& name_category() noexcept;

// The hints of getaddrinfo(3), and a time of eddy's.
struct ResolveHints {
  int family = AF_UNSPEC;  // AF_INET, AF_INET6, or both
  // One kind, so that each address comes once: 0 asks for those that the service has on any. Which
  // of them it was is not told.
  int socket_type = SOCK_STREAM;
  int protocol = 0;
  // AI_PASSIVE, AI_CANONNAME, AI_NUMERICHOST, AI_NUMERICSERV, AI_V4MAPPED, AI_ALL, AI_ADDRCONFIG,
  // AI_IDN, AI_CANONIDN. As getaddrinfo without hints has them. A numeric address is what it says,
  // whatever AI_ADDRCONFIG finds.
  int flags = AI_V4MAPPED | AI_ADDRCONFIG;
  // After so long the callback gets Errc::kTimedOut, though the thread may wait on. 0: as long as
  // the system's resolver takes (resolv.conf(5), "timeout" and "attempts").
  std::chrono::nanoseconds timeout{0};
};

struct ResolvedName {
  // One at the least, with the service's port; in getaddrinfo's order, each once.
  std::vector<Address> addresses;
  std::string canonical_name;  // with AI_CANONNAME
};

struct HostName {
  std::string host;
  std::string service;
};

struct ResolverOptions {
  size_t threads = 4;        // look-ups at once
  size_t queue = 256;        // those that wait for a thread: Errc::kOverLimit beyond
  size_t cache_entries = 0;  // 0: no cache. What is oldest makes room
  std::chrono::nanoseconds cache_life = std::chrono::seconds(30);
  bool cache_failures = false;  // negative answers too
};

struct ResolverStats {
  size_t waiting = 0;       // callbacks that are to come
  uint64_t asked = 0;       // questions that went to a thread
  uint64_t joined = 0;      // … that waited for an equal one
  uint64_t from_cache = 0;  // … that needed none
  uint64_t timed_out = 0;
  WorkPoolStats threads;
};

// Names a question until its callback has been called or it was cancelled.
struct ResolveId {
  uint64_t number = 0;  // 0: none

  explicit operator bool() const noexcept { return number != 0; }
  bool operator==(const ResolveId&) const = default;
};

class Resolver {
 public:
  using OnResolved = std::move_only_function<void(Result<ResolvedName>)>;
  using OnNamed = std::move_only_function<void(Result<HostName>)>;

  explicit Resolver(Reactor& reactor, const ResolverOptions& options = {});
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // `host` is a name, a numeric address without brackets, or "*": this machine, which is any
  // address with AI_PASSIVE and loopback without (a null node of getaddrinfo). `service` is a
  // name (services(5)), a number, or empty: port 0. An error: it is not asked, and no callback
  // comes.
  Result<ResolveId> resolve(std::string_view host, std::string_view service, OnResolved callback);
  Result<ResolveId> resolve(std::string_view host, std::string_view service,
                            const ResolveHints& hints, OnResolved callback);
  // The name of an address. `flags` are getnameinfo(3)'s: NI_NAMEREQD, NI_DGRAM, NI_NOFQDN,
  // NI_NUMERICHOST, NI_NUMERICSERV.
  Result<ResolveId> name_of(const Address& address, OnNamed callback, int flags = 0,
                            std::chrono::nanoseconds timeout = std::chrono::nanoseconds::zero());
  // Its callback will not be called. Where nobody else waits for the same, the look-up is dropped
  // if it waits for a thread, and else ends unheard. False: the id is stale.
  bool cancel(ResolveId id);

  void clear_cache();
  ResolverStats stats() const;

 private:
  class State;
  std::shared_ptr<State> state_;  // null: there was no memory for it
};

}  // namespace eddy
