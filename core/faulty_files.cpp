// A FaultyKernel's files, and what moves bytes between descriptors.
#include <eddy/core/epoll_faults.h>
#include <eddy/core/faulty_kernel.h>
#include <errno.h>

namespace eddy {

// --- Files

int FaultyKernel::open(const char* path, int flags, mode_t mode) {
  return make(SystemCall::kOpen, -1, [&] { return inner_.open(path, flags, mode); });
}

ssize_t FaultyKernel::pread(int fd, void* data, size_t size, int64_t offset) {
  return move(SystemCall::kPread, -1, -1, size,
              [&](size_t most) { return inner_.pread(fd, data, most, offset); });
}

ssize_t FaultyKernel::pwrite(int fd, const void* data, size_t size, int64_t offset) {
  return move(SystemCall::kPwrite, -1, -1, size,
              [&](size_t most) { return inner_.pwrite(fd, data, most, offset); });
}

int FaultyKernel::fsync(int fd) {
  return make(SystemCall::kFsync, fd, [&] { return inner_.fsync(fd); });
}

int64_t FaultyKernel::file_size(int fd) {
  return make(SystemCall::kFileSize, fd, [&] { return inner_.file_size(fd); });
}

// --- Bytes that never enter user space

int FaultyKernel::pipe(int descriptors[2], int flags) {
  return make(SystemCall::kPipe, -1, [&] { return inner_.pipe(descriptors, flags); });
}

int FaultyKernel::set_pipe_size(int fd, int size) {
  return make(SystemCall::kSetPipeSize, fd, [&] { return inner_.set_pipe_size(fd, size); });
}

// What is denied or cut short is told again, on both sides: see FaultyKernel::transfer.
template <typename Move>
ssize_t FaultyKernel::move(SystemCall call, int from, int to, size_t size, Move&& move_at_most) {
  const auto denied = instead(call, from >= 0 ? from : to, size);
  const size_t most = denied ? 0 : plan_.limit(call, size);
  const auto result = denied ? static_cast<ssize_t>(*denied) : move_at_most(most);
  if (result == -EAGAIN ? denied.has_value() : most < size) {
    if (from >= 0) epoll_->tell_readable(from);
    if (to >= 0) epoll_->tell_writable(to);
  }
  return result;
}

ssize_t FaultyKernel::sendfile(int to, int from, int64_t& offset, size_t size) {
  return move(SystemCall::kSendfile, -1, to, size,
              [&](size_t most) { return inner_.sendfile(to, from, offset, most); });
}

ssize_t FaultyKernel::splice_to_pipe(int from, int pipe_fd, size_t size) {
  return move(SystemCall::kSpliceToPipe, from, -1, size,
              [&](size_t most) { return inner_.splice_to_pipe(from, pipe_fd, most); });
}

ssize_t FaultyKernel::splice_from_pipe(int pipe_fd, int to, size_t size) {
  return move(SystemCall::kSpliceFromPipe, -1, to, size,
              [&](size_t most) { return inner_.splice_from_pipe(pipe_fd, to, most); });
}

}  // namespace eddy
