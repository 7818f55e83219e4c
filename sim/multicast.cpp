#include <eddy/sim/multicast.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <algorithm>

namespace eddy::sim {
namespace {

constexpr uint32_t kInterfaces = 2;

// A group or a source, without its port; false if it is none of that level.
bool parse(const sockaddr_storage& storage, int level, Name& name) {
  if (Name::parse(reinterpret_cast<const sockaddr*>(&storage), sizeof storage, name) != 0) {
    return false;
  }
  name.port = 0;
  return (name.family == AF_INET) == (level == IPPROTO_IP);
}

template <typename Value>
bool read(Value& value, const void* from, socklen_t length) {
  if (length < sizeof value) return false;
  memcpy(&value, from, sizeof value);
  return true;
}

}  // namespace

std::optional<int> MulticastGroups::set_option(int level, int name, const void* value,
                                               socklen_t length) {
  if (level != IPPROTO_IP && level != IPPROTO_IPV6) return std::nullopt;
  if (level == IPPROTO_IP && name == IP_MULTICAST_IF) {
    ip_mreqn asked;
    if (!read(asked, value, length)) return -EINVAL;
    return static_cast<uint32_t>(asked.imr_ifindex) <= kInterfaces ? 0 : -EADDRNOTAVAIL;
  }
  if (level == IPPROTO_IPV6 && name == IPV6_MULTICAST_IF) {
    int index;
    if (!read(index, value, length)) return -EINVAL;
    return static_cast<uint32_t>(index) <= kInterfaces ? 0 : -ENODEV;
  }
  Name group;
  Name source;
  if (name == MCAST_JOIN_GROUP || name == MCAST_LEAVE_GROUP) {
    group_req asked;
    if (!read(asked, value, length) || !parse(asked.gr_group, level, group)) return -EINVAL;
    if (asked.gr_interface > kInterfaces) return -ENODEV;
    if (!group.is_for_many()) return -EINVAL;
    return name == MCAST_JOIN_GROUP ? join(group) : leave(group);
  }
  if (name != MCAST_JOIN_SOURCE_GROUP && name != MCAST_LEAVE_SOURCE_GROUP) return std::nullopt;
  group_source_req asked;
  if (!read(asked, value, length) || !parse(asked.gsr_group, level, group) ||
      !parse(asked.gsr_source, level, source)) {
    return -EINVAL;
  }
  if (asked.gsr_interface > kInterfaces) return -ENODEV;
  if (!group.is_for_many()) return -EINVAL;
  return name == MCAST_JOIN_SOURCE_GROUP ? join_source(group, source) : leave_source(group, source);
}

const MulticastGroups::Membership* MulticastGroups::find(const Name& group) const {
  Name host = group;
  host.port = 0;
  const auto found = std::ranges::find(joined_, host, &Membership::group);
  return found == joined_.end() ? nullptr : &*found;
}

int MulticastGroups::join(const Name& group) {
  if (is_member(group)) return -EADDRINUSE;
  joined_.push_back({.group = group});
  return 0;
}

int MulticastGroups::leave(const Name& group) {
  return std::erase_if(joined_, [&](const auto& each) { return each.group == group; }) != 0
             ? 0
             : -EADDRNOTAVAIL;
}

int MulticastGroups::join_source(const Name& group, const Name& source) {
  if (!is_member(group)) joined_.push_back({.group = group, .has_sources = true});
  Membership& membership = *std::ranges::find(joined_, group, &Membership::group);
  if (!membership.has_sources) return -EINVAL;
  return membership.sources.insert(source).second ? 0 : -EADDRNOTAVAIL;
}

int MulticastGroups::leave_source(const Name& group, const Name& source) {
  const auto found = std::ranges::find(joined_, group, &Membership::group);
  if (found == joined_.end() || !found->has_sources) return -EINVAL;
  if (found->sources.erase(source) == 0) return -EADDRNOTAVAIL;
  if (found->sources.empty()) joined_.erase(found);
  return 0;
}

bool MulticastGroups::wants(const Name& group, const Name& source) const {
  const Membership* membership = find(group);
  if (membership == nullptr || !membership->has_sources) return true;
  Name host = source;
  host.port = 0;
  return membership->sources.contains(host);
}

}  // namespace eddy::sim
