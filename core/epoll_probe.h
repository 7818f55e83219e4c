// Whether a descriptor can be waited for.
//
// Threads: any.
#pragma once

namespace eddy {

class Kernel;

// What epoll would answer: 0, or -EPERM for what has no readiness (epoll_ctl(2)): a file, a
// directory, a device such as /dev/null. io_uring's poll finds those ready for ever, so its backend
// asks here. 0 as well when it cannot be found out.
int probe_readiness(Kernel& kernel, int fd);

}  // namespace eddy
