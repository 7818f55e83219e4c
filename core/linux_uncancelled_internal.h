// recv(2) and send(2) without what glibc does around them.
//
// Both are points of cancellation (pthreads(7)), and in a process with threads glibc marks each
// call as one: 20 ns, a seventh of a call that finds nothing. A sanitizer wants its own
// calls, so that it sees what they read and write.
#pragma once

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EDDY_IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define EDDY_IS_SANITIZED 1
#endif
#endif

namespace eddy {

#if !defined(EDDY_IS_SANITIZED) && defined(SYS_recvfrom) && defined(SYS_sendto)
// There is no address, so nobody looks at its length, which is not passed.
inline ssize_t uncancelled_recv(int fd, void* data, size_t size, int flags) {
  return syscall(SYS_recvfrom, fd, data, size, flags, nullptr);
}
inline ssize_t uncancelled_send(int fd, const void* data, size_t size, int flags) {
  return syscall(SYS_sendto, fd, data, size, flags, nullptr);
}
#else
inline ssize_t uncancelled_recv(int fd, void* data, size_t size, int flags) {
  return ::recv(fd, data, size, flags);
}
inline ssize_t uncancelled_send(int fd, const void* data, size_t size, int flags) {
  return ::send(fd, data, size, flags);
}
#endif

}  // namespace eddy
