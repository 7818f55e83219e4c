#include <eddy/core/linux_spawn_internal.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <vector>

namespace eddy {
namespace {

// Copies of the sources whose numbers are above all that the child will have, so that none is
// overwritten before it has been copied. Close-on-exec; closed when it goes.
class Sources {
 public:
  ~Sources() {
    for (const int fd : copies_) ::close(fd);
  }
  Sources() = default;
  Sources(const Sources&) = delete;
  Sources& operator=(const Sources&) = delete;

  // The copy, or a negative errno.
  int copy(int source, int first_free) {
    copies_.reserve(copies_.size() + 1);
    const int fd = ::fcntl(source, F_DUPFD_CLOEXEC, first_free);
    if (fd < 0) return -errno;
    copies_.push_back(fd);
    return fd;
  }

 private:
  std::vector<int> copies_;
};

// posix_spawn(3)'s lists of what the child does before it becomes the program. Its functions return
// errno values.
class Actions {
 public:
  Actions() {
    posix_spawn_file_actions_init(&files_);
    posix_spawnattr_init(&attributes_);
  }
  ~Actions() {
    posix_spawn_file_actions_destroy(&files_);
    posix_spawnattr_destroy(&attributes_);
  }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;

  // What the parent ignores or blocks is no business of the child's.
  int reset_signals() {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    return posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }

  int set_directory(int fd) {
    return fd < 0 ? 0 : posix_spawn_file_actions_addfchdir_np(&files_, fd);
  }

  int set_descriptors(std::span<const ChildDescriptor> descriptors, Sources& sources) {
    int first_free = STDERR_FILENO + 1;
    for (const auto& [number, source] : descriptors) first_free = std::max(first_free, number + 1);
    for (const auto& [number, source] : descriptors) {
      const int copy = sources.copy(source, first_free);
      if (copy < 0) return -copy;
      if (const int failed = posix_spawn_file_actions_adddup2(&files_, copy, number)) return failed;
    }
    for (int fd = 0; fd < first_free; ++fd) {
      if (std::ranges::find(descriptors, fd, &ChildDescriptor::number) != descriptors.end()) {
        continue;
      }
      if (const int failed = posix_spawn_file_actions_addclose(&files_, fd)) return failed;
    }
    return posix_spawn_file_actions_addclosefrom_np(&files_, first_free);
  }

  int spawn(pid_t* process, const SpawnRequest& request) const {
    return posix_spawnp(process, request.program, &files_, &attributes_, request.arguments,
                        request.environment);
  }

 private:
  posix_spawn_file_actions_t files_;
  posix_spawnattr_t attributes_;
};

// Nobody else has waited for the child yet, so the number is still its own.
int open_process(pid_t process) {
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
  if (pidfd >= 0) return pidfd;
  const int failed = -errno;
  ::kill(process, SIGKILL);
  while (::waitpid(process, nullptr, 0) < 0 && errno == EINTR) {
  }
  return failed;
}

}  // namespace

int spawn_on_linux(const SpawnRequest& request, int* process_id) {
  try {
    Sources sources;
    Actions actions;
    pid_t process = 0;
    int failed = actions.reset_signals();
    if (failed == 0) failed = actions.set_directory(request.directory);
    if (failed == 0) failed = actions.set_descriptors(request.descriptors, sources);
    if (failed == 0) failed = actions.spawn(&process, request);
    if (failed != 0) return -failed;
    *process_id = process;
    return open_process(process);
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  }
}

}  // namespace eddy
