#include <eddy/core/kernel.h>
#include <eddy/net/credentials.h>
#include <errno.h>

#include <string>

namespace eddy {
namespace {

constexpr int kPeerPidfd = 77;  // SO_PEERPIDFD, which older headers lack

std::string name_of(int descriptor) { return "fd " + std::to_string(descriptor); }

}  // namespace

Result<PeerCredentials> peer_credentials(Kernel& kernel, int descriptor) {
  ucred told = {};
  socklen_t length = sizeof told;
  const int failed = kernel.getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &told, &length);
  if (failed < 0) return failure(failed, "getsockopt SO_PEERCRED", name_of(descriptor));
  if (told.uid == static_cast<uid_t>(-1)) {
    return std::unexpected<Error>(std::in_place, Errc::kUnsupported, "getsockopt SO_PEERCRED",
                                  name_of(descriptor),
                                  "the peer of a connected Unix socket is known, and no other");
  }
  return PeerCredentials{.process = told.pid, .user = told.uid, .group = told.gid};
}

Result<int> peer_process(Kernel& kernel, int descriptor) {
  int process = -1;
  socklen_t length = sizeof process;
  const int failed = kernel.getsockopt(descriptor, SOL_SOCKET, kPeerPidfd, &process, &length);
  if (failed == -ENOPROTOOPT || failed == -EOPNOTSUPP) {
    return std::unexpected<Error>(std::in_place, Errc::kUnsupported, "getsockopt SO_PEERPIDFD",
                                  name_of(descriptor), "it came with Linux 6.5");
  }
  if (failed < 0) return failure(failed, "getsockopt SO_PEERPIDFD", name_of(descriptor));
  return process;
}

}  // namespace eddy
