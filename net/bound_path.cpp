#include <eddy/net/bound_path_internal.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>

namespace eddy {
namespace {

// With the NUL that sun_path may lack.
class PathText {
 public:
  explicit PathText(const Address& address) { std::ranges::copy(address.path(), text_.begin()); }
  const char* get() const { return text_.data(); }

 private:
  std::array<char, sizeof(sockaddr_un::sun_path) + 1> text_{};
};

// What connecting there answers, to a socket of the same kind.
int probe(Kernel& kernel, int fd, const Address& address) {
  int type = 0;
  socklen_t size = sizeof type;
  if (const int failed = kernel.getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size); failed < 0) {
    return failed;
  }
  const int probing = kernel.socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (probing < 0) return probing;
  const int answer = kernel.connect(probing, address.data(), address.size());
  kernel.close(probing);
  return answer;
}

// A file is in the way. 0 once it is gone; else why it stays.
int clear_stale(Kernel& kernel, int fd, const Address& address, const char*& advice) {
  const PathText path(address);
  struct stat before = {};
  if (const int failed = kernel.lstat(path.get(), &before); failed < 0) return failed;
  if (!S_ISSOCK(before.st_mode)) {
    advice = "what is there is no socket, and so is not removed";
    return -EADDRINUSE;
  }
  const int answer = probe(kernel, fd, address);
  if (answer != -ECONNREFUSED) {
    const bool serves = answer == 0 || answer == -EAGAIN || answer == -EPROTOTYPE;
    advice = serves ? "another program listens there"
                    : "whether a program listens there could not be found out";
    return -EADDRINUSE;
  }
  struct stat after = {};
  if (const int failed = kernel.lstat(path.get(), &after); failed < 0) return failed;
  if (after.st_dev != before.st_dev || after.st_ino != before.st_ino) {
    advice = "another program has just taken the path";
    return -EADDRINUSE;
  }
  return kernel.unlink(path.get());
}

}  // namespace

const char* advice_for_bind(int error, const Address& address) {
  const bool is_unix = address.family() == AF_UNIX;
  switch (error) {
    case EADDRINUSE:
      return address.path().empty() ? "another socket listens there"
                                    : "a file is there: remove it, if no program uses it";
    case EACCES:
      return is_unix ? "the folder of the path may not be written to"
                     : "ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE";
    case EADDRNOTAVAIL: return "this machine has no such address";
    case ENOENT:
    case ENOTDIR: return "the folder of the path does not exist";
    default: return "";
  }
}

Result<BoundPath> BoundPath::bind(Kernel& kernel, int fd, const Address& address,
                                  const Options& options) {
  const char* advice = nullptr;
  int failed = kernel.bind(fd, address.data(), address.size());
  if (failed == -EADDRINUSE && !address.path().empty() && options.remove_stale) {
    const int stays = clear_stale(kernel, fd, address, advice);
    // Whoever has gone meanwhile is in nobody's way.
    if (stays == 0 || stays == -ENOENT) failed = kernel.bind(fd, address.data(), address.size());
  }
  if (failed < 0) {
    if (advice == nullptr) advice = advice_for_bind(-failed, address);
    return failure(failed, "bind", address.to_string(), advice);
  }
  BoundPath bound;
  if (address.path().empty()) return bound;
  const PathText path(address);
  failed = bound.remember(kernel, address);
  if (failed < 0) {
    kernel.unlink(path.get());
    return failure(failed, "lstat", address.to_string());
  }
  // Nobody can have connected before the socket listens.
  if (options.mode) failed = kernel.chmod(path.get(), *options.mode);
  if (failed == 0) return bound;
  bound.remove(kernel);
  return failure(failed, "chmod", address.to_string());
}

BoundPath BoundPath::inherited(Kernel& kernel, const Address& address) {
  BoundPath bound;
  if (!address.path().empty()) bound.remember(kernel, address);
  return bound;
}

int BoundPath::remember(Kernel& kernel, const Address& address) {
  struct stat status = {};
  const int failed = kernel.lstat(PathText(address).get(), &status);
  if (failed < 0) return failed;
  address_ = address;
  device_ = status.st_dev;
  inode_ = status.st_ino;
  return 0;
}

void BoundPath::remove(Kernel& kernel) {
  if (address_.path().empty()) return;
  const PathText path(address_);
  address_ = Address();
  struct stat status = {};
  if (kernel.lstat(path.get(), &status) < 0) return;
  if (status.st_dev == device_ && status.st_ino == inode_) kernel.unlink(path.get());
}

}  // namespace eddy
