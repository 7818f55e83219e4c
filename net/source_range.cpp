#include <eddy/net/source_range.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <algorithm>

namespace eddy {
namespace {

// The part of an address that counts up: all of IPv4's, the lower 64 bits of IPv6's.
struct Countable {
  size_t offset;
  size_t size;
};

Countable countable(int family) {
  if (family == AF_INET) return {offsetof(sockaddr_in, sin_addr), 4};
  return {offsetof(sockaddr_in6, sin6_addr) + 8, 8};
}

uint64_t number_of(const Address& address) {
  const Countable part = countable(address.family());
  const auto* bytes = reinterpret_cast<const unsigned char*>(address.data()) + part.offset;
  uint64_t number = 0;
  for (size_t i = 0; i < part.size; ++i) number = number << 8 | bytes[i];
  return number;
}

constexpr uint64_t kMostAddresses = uint64_t{1} << 48;  // 2^16 ports of each can be counted

// As many as there are from the first to the last; 1 if that is before it.
uint64_t count(uint64_t first, uint64_t last) {
  return last < first ? 1 : std::min(last - first, kMostAddresses - 1) + 1;
}

}  // namespace

SourceRange::SourceRange(const Address& source) : SourceRange(source, source) {}

SourceRange::SourceRange(const Address& first, const Address& last) : first_(first) {
  const int family = first.family();
  if (family == AF_UNSPEC) return;
  addresses_ = 1;
  if (last.family() != family || (family != AF_INET && family != AF_INET6)) return;
  addresses_ = count(number_of(first), number_of(last));
  if (first.port() != 0) ports_ = count(first.port(), last.port());
}

Address SourceRange::at(uint64_t index) const {
  if (addresses_ * ports_ <= 1) return first_;
  const Countable part = countable(first_.family());
  sockaddr_storage storage = {};
  memcpy(&storage, first_.data(), first_.size());
  uint64_t number = number_of(first_) + index % addresses_;
  auto* bytes = reinterpret_cast<unsigned char*>(&storage) + part.offset;
  for (size_t i = part.size; i-- > 0; number >>= 8) bytes[i] = static_cast<unsigned char>(number);
  const auto address = Address::from(reinterpret_cast<const sockaddr*>(&storage), first_.size());
  const auto port = static_cast<uint16_t>(first_.port() + index / addresses_);
  return address.value_or(first_).with_port(port);
}

}  // namespace eddy
