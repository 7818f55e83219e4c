// The multicast groups that a simulated socket has joined (ip(7), IP_ADD_MEMBERSHIP and its like;
// RFC 4607 for those of one source). A host has two interfaces: 1, the loopback, and 2.
#pragma once

#include <eddy/sim/network.h>
#include <sys/socket.h>

#include <optional>
#include <set>
#include <vector>

namespace eddy::sim {

class MulticastGroups {
 public:
  // setsockopt(2), if it is one of its options: 0 or a negative errno.
  std::optional<int> set_option(int level, int name, const void* value, socklen_t length);

  bool is_member(const Name& group) const { return find(group) != nullptr; }
  // Whether the socket wants what came from there, if its host hears the group at all: one that is
  // no member does (IP_MULTICAST_ALL).
  bool wants(const Name& group, const Name& source) const;

 private:
  struct Membership {
    Name group;
    bool has_sources = false;
    std::set<Name> sources;  // if it has: these alone
  };
  const Membership* find(const Name& group) const;
  int join(const Name& group);
  int leave(const Name& group);
  int join_source(const Name& group, const Name& source);
  int leave_source(const Name& group, const Name& source);

  std::vector<Membership> joined_;
};

}  // namespace eddy::sim
