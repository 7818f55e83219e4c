// Who is at the other end of a Unix socket.
//
// What it is: what the kernel has noted of the process that connected, or that listened, at that
// moment (SO_PEERCRED, unix(7)); by now it may have ended, have another user, or have handed the
// socket on. A process number may be another's later: `peer_process` gives a descriptor that means
// that very process (pidfd_open(2)). Threads: any, for a descriptor that is open.
#pragma once

#include <eddy/core/error.h>
#include <sys/types.h>

namespace eddy {

class Kernel;

struct PeerCredentials {
  pid_t process = 0;  // 0: it lives in a PID namespace that is not seen from here
  uid_t user = 0;
  gid_t group = 0;
  bool operator==(const PeerCredentials&) const = default;
};

// Of a connected Unix socket: else Errc::kUnsupported. Stream::peer_credentials and peer_process
// are these.
Result<PeerCredentials> peer_credentials(Kernel& kernel, int descriptor);
// A pidfd, close-on-exec, which is the caller's (SO_PEERPIDFD, Linux 6.5); Errc::kUnsupported where
// the kernel has none, ESRCH and its like where the process has ended.
Result<int> peer_process(Kernel& kernel, int descriptor);

}  // namespace eddy
