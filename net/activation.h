// Sockets that this process was started with: systemd's socket activation, without its library.
//
// What it is: the protocol of sd_listen_fds(3). Descriptors from 3 on have been opened by whoever
// started the process; LISTEN_FDS says how many, LISTEN_PID for which process, LISTEN_FDNAMES what
// they are called. `systemd-socket-activate` speaks it too, and so may any supervisor.
//
// Threads: it reads and changes the environment, so while there are no other threads: at the
// program's beginning (getenv(3), "Attributes").
#pragma once

#include <eddy/core/error.h>

#include <string>
#include <vector>

namespace eddy {

class Kernel;

enum class InheritedKind : uint8_t {
  kListener,    // a stream or seqpacket socket that listens: Server::listen_on
  kDatagram,    // a datagram socket
  kConnection,  // a connected socket, of a unit with Accept=yes: adopt
  kOther,       // no socket: a FIFO, a device, a file
};

struct InheritedDescriptor {
  int descriptor = -1;
  InheritedKind kind = InheritedKind::kOther;
  std::string name;  // FileDescriptorName= of systemd.socket(5); "unknown" if it has none
};

// What this process was given, in its order: nothing if the variables are not there, or meant for
// another process. They are unset in any case, so that no child takes them for its own, and the
// descriptors are made close-on-exec; they are the caller's. EINVAL for variables that nobody
// can have meant, EBADF for a descriptor that is not open.
Result<std::vector<InheritedDescriptor>> take_inherited_descriptors(Kernel& kernel);

}  // namespace eddy
