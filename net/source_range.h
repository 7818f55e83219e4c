// Where connections come from: addresses and ports of this machine's.
//
// What it is: a plain value. One address, or all from a first to a last, which are of one family;
// with port 0 each of them has any free port, otherwise every port from the first's to the last's:
//   127.0.0.2:0                            one address
//   10.0.0.10:0 to 10.0.0.19:0             ten, each with what net.ipv4.ip_local_port_range has
//   10.0.0.10:20000 to 10.0.0.10:59999     one, with 40,000 ports
// Of IPv6 the lower 64 bits count up, and of more than 2^48 addresses the first 2^48 are taken.
//
// Threads: a SourceRange is a value; any thread may hold, copy and read it.
#pragma once

#include <eddy/net/address.h>
#include <stdint.h>

namespace eddy {

class SourceRange {
 public:
  // Of size 0: the kernel chooses.
  SourceRange() = default;
  SourceRange(const Address& source);  // NOLINT(google-explicit-constructor): one is a range too
  // A last one that is of another family than the first, or before it, in address or port, counts
  // as the first's.
  SourceRange(const Address& first, const Address& last);

  uint64_t size() const { return addresses_ * ports_; }
  // Of an index below size(). Neighbours differ in their address, if there are several.
  Address at(uint64_t index) const;

 private:
  Address first_;
  uint64_t addresses_ = 0;
  uint64_t ports_ = 1;
};

}  // namespace eddy
