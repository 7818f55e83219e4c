#include <eddy/core/linux_sigpipe_internal.h>
#include <eddy/core/sigpipe.h>

namespace eddy {

std::atomic<bool> sigpipe_ignored = false;

void ignore_sigpipe() {
  struct sigaction action = {};
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
  sigpipe_ignored.store(true);
}

bool ignores_sigpipe() {
  struct sigaction action = {};
  return sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace eddy
