// The file that a Unix socket has while it is bound to a path (unix(7)).
//
// What it is: bind(2) makes the file, and nothing removes it: it outlives its socket, and stands in
// the way of the next one. So who binds here clears away what a program that has ended left, and
// removes its own file in the end: only what it made itself (by device and inode, since another
// may have taken the place). Addresses of other families, and abstract names, are bound as ever,
// and have nothing to remove.
//
// A file is left over if connecting to it is refused: nobody listens. So it looks for the moment
// between another program's bind and its listen: two servers that are started at once on one path
// may take it from one another.
//
// Threads: a plain value, for one thread at a time.
#pragma once

#include <eddy/core/kernel.h>
#include <eddy/net/address.h>

#include <optional>

namespace eddy {

// What to do where bind(2), or listen(2) after it, fails with this errno; "" if nobody knows.
const char* advice_for_bind(int error, const Address& address);

class BoundPath {
 public:
  struct Options {
    bool remove_stale = true;
    std::optional<uint32_t> mode{};  // chmod(2); none: 0777 less the umask
  };

  BoundPath() = default;  // of no file
  // Binds the socket. At failure nothing is left behind, and the error says what stands in the way.
  static Result<BoundPath> bind(Kernel& kernel, int fd, const Address& address,
                                const Options& options);
  // Of a socket that another process has bound there and handed over, with its path.
  static BoundPath inherited(Kernel& kernel, const Address& address);
  // Before its socket is closed, which is what keeps the inode's number from being another's.
  void remove(Kernel& kernel);

 private:
  int remember(Kernel& kernel, const Address& address);  // 0 or a negative errno

  Address address_;  // none: nothing is to be removed
  uint64_t device_ = 0;
  uint64_t inode_ = 0;
};

}  // namespace eddy
