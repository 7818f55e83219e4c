#include <eddy/core/epoll_probe.h>
#include <eddy/core/kernel.h>
#include <errno.h>
#include <sys/epoll.h>

namespace eddy {

int probe_readiness(Kernel& kernel, int fd) {
  const int epoll_fd = kernel.epoll_create();
  if (epoll_fd < 0) return 0;
  epoll_event nothing = {};
  const int result = kernel.epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &nothing);
  kernel.close(epoll_fd);
  return result == -EPERM ? result : 0;
}

}  // namespace eddy
