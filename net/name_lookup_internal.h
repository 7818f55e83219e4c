// One question to the system's resolver: what it is, whether it may be asked, and the asking, which
// blocks.
#pragma once

#include <eddy/core/error.h>
#include <eddy/core/kernel.h>
#include <eddy/net/address.h>
#include <sys/socket.h>

#include <compare>
#include <optional>
#include <string>
#include <vector>

namespace eddy {

struct NameQuestion {
  bool is_reverse = false;  // getnameinfo: of `address`, with `flags` alone
  std::string host;
  std::string service;
  int family = AF_UNSPEC;
  int socket_type = 0;
  int protocol = 0;
  int flags = 0;
  Address address;

  auto operator<=>(const NameQuestion&) const = default;
  const char* call() const { return is_reverse ? "getnameinfo" : "getaddrinfo"; }
  std::string subject() const;
};

struct NameAnswer {
  std::vector<Address> addresses;
  std::string name;  // canonical, or the address's
  std::string service;
};

// Why it must not be asked, if so.
std::optional<Error> refuse(const NameQuestion& question);
// What needs no asking: a numeric address.
std::optional<NameAnswer> numeric_answer(const NameQuestion& question);
// On a thread that may block.
Result<NameAnswer> look_up(Kernel& kernel, const NameQuestion& question) noexcept;

}  // namespace eddy
