// The calls of a host's kernel about regular files and pipes, and between descriptors.
#include <eddy/sim/host_kernel.h>
#include <eddy/sim/pipe.h>
#include <eddy/sim/regular_file.h>

namespace eddy::sim {

// --- Files

int HostKernel::open(const char* path, int flags, mode_t /*mode*/) {
  enter_call();
  if (simulation_.strikes(Fault::kNoDescriptors, *this)) return -EMFILE;
  int error = 0;
  FileRef opened = files.open(path, flags, error);
  return opened == nullptr ? error : install(std::move(opened));
}

std::shared_ptr<RegularFile> HostKernel::find_regular(int fd, int otherwise, int& error) const {
  auto found = file_as<RegularFile>(fd);
  if (found == nullptr) error = file(fd) == nullptr ? -EBADF : otherwise;
  return found;
}

ssize_t HostKernel::pread(int fd, void* data, size_t size, int64_t offset) {
  enter_call();
  int error = 0;
  const auto found = find_regular(fd, -ESPIPE, error);
  return found == nullptr ? error : found->read_at(data, size, offset);
}

ssize_t HostKernel::pwrite(int fd, const void* data, size_t size, int64_t offset) {
  enter_call();
  int error = 0;
  const auto found = find_regular(fd, -ESPIPE, error);
  return found == nullptr ? error : found->write_at({static_cast<const char*>(data), size}, offset);
}

int HostKernel::fsync(int fd) {
  int error = 0;
  const auto found = find_regular(fd, -EINVAL, error);
  return found == nullptr ? error : 0;
}

int64_t HostKernel::file_size(int fd) {
  int error = 0;
  const auto found = find_regular(fd, 0, error);
  return found == nullptr ? error : found->size();
}

// --- Pipes

int HostKernel::pipe(int descriptors[2], int flags) {
  auto [reader, writer] = make_pipe(simulation_, *this);
  const int from = install_with(std::move(reader), flags);
  if (from < 0) return from;
  const int to = install_with(std::move(writer), flags);
  if (to < 0) {
    close_descriptor(from);
    return to;
  }
  descriptors[0] = from;
  descriptors[1] = to;
  return 0;
}

int HostKernel::set_pipe_size(int fd, int size) {
  const FileRef found = file(fd);
  if (found == nullptr) return -EBADF;
  return found->kind() == DescriptorKind::kPipe ? resize_pipe(*found, size) : -EBADF;
}

// --- Between descriptors

ssize_t HostKernel::sendfile(int to, int from, int64_t& offset, size_t size) {
  enter_call();
  int error = 0;
  const FileRef out = file(to);
  const auto in = find_regular(from, -ESPIPE, error);  // it has no offset
  if (out == nullptr || in == nullptr) return out == nullptr ? -EBADF : error;
  if ((in->status_flags & O_ACCMODE) == O_WRONLY) return -EBADF;
  if ((out->status_flags & O_APPEND) != 0) return -EINVAL;
  if (simulation_.strikes(Fault::kInterrupted, *this)) return -EINTR;
  const std::string_view bytes = in->view(offset, size);
  const iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};  // NOLINT: iovec's type
  const ssize_t sent =
      bytes.empty() ? 0 : blocking(*out, true, [&] { return out->write(&piece, 1); });
  if (sent > 0) offset += sent;
  simulation_.note(*this, "sendfile", {to, sent});
  return sent;
}

ssize_t HostKernel::splice_to_pipe(int from, int pipe_fd, size_t size) {
  return splice(from, pipe_fd, size, fill_pipe);
}

ssize_t HostKernel::splice_from_pipe(int pipe_fd, int to, size_t size) {
  return splice(pipe_fd, to, size, empty_pipe);
}

ssize_t HostKernel::splice(int from, int to, size_t size, ssize_t (*move)(File&, File&, size_t)) {
  enter_call();
  const FileRef in = file(from);
  const FileRef out = file(to);
  if (in == nullptr || out == nullptr) return -EBADF;
  if (simulation_.strikes(Fault::kInterrupted, *this)) return -EINTR;
  const ssize_t moved = move(*in, *out, size);
  simulation_.note(*this, "splice", {from, to, moved});
  return moved;
}

}  // namespace eddy::sim
