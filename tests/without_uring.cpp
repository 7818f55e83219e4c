// without_uring ERRNO PROGRAM [ARGUMENT…]: runs the program under a seccomp filter in which
// io_uring_setup fails with the errno named (EPERM, ENOSYS, EACCES), as containers have it. The
// filter is inherited by everything that the program starts. seccomp(2), Linux 3.17.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <string_view>

namespace {

struct NamedErrno {
  std::string_view name;
  unsigned value;
};
constexpr std::array kErrnos = {NamedErrno{"EPERM", EPERM}, NamedErrno{"ENOSYS", ENOSYS},
                                NamedErrno{"EACCES", EACCES}};

unsigned errno_named(std::string_view name) {
  for (const NamedErrno& known : kErrnos) {
    if (known.name == name) return known.value;
  }
  return 0;
}

// Programs of another architecture on this kernel number their calls differently; they pass, since
// what is tested here is built for this one.
bool refuse_io_uring_setup(unsigned errno_value) {
  const sock_filter steps[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | errno_value),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {.len = std::size(steps), .filter = const_cast<sock_filter*>(steps)};
  // Without privileges the kernel takes a filter only from a process that can gain none.
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned errno_value = argc < 3 ? 0 : errno_named(argv[1]);
  if (errno_value == 0) {
    fprintf(stderr, "usage: without_uring EPERM|ENOSYS|EACCES PROGRAM [ARGUMENT…]\n");
    return 2;
  }
  if (!refuse_io_uring_setup(errno_value)) {
    perror("without_uring: prctl");
    return 2;
  }
  execvp(argv[2], argv + 2);
  perror(argv[2]);
  return 2;
}
