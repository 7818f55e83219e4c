#include <eddy/sim/regular_file.h>
#include <string.h>

#include <algorithm>

namespace eddy::sim {

std::string_view RegularFile::view(int64_t offset, size_t size) const {
  if (offset >= this->size()) return {};
  return std::string_view(*bytes_).substr(static_cast<size_t>(offset), size);
}

ssize_t RegularFile::read_at(void* data, size_t size, int64_t offset) const {
  if ((status_flags & O_ACCMODE) == O_WRONLY) return -EBADF;
  if (offset < 0) return -EINVAL;
  const std::string_view found = view(offset, size);
  if (!found.empty()) memcpy(data, found.data(), found.size());
  return static_cast<ssize_t>(found.size());
}

// A hole that this leaves reads as zeroes.
ssize_t RegularFile::write_at(std::string_view bytes, int64_t offset) {
  if ((status_flags & O_ACCMODE) == O_RDONLY) return -EBADF;
  if (offset < 0) return -EINVAL;
  if ((status_flags & O_APPEND) != 0) offset = size();  // pwrite(2), "Bugs"
  const size_t end = static_cast<size_t>(offset) + bytes.size();
  if (!bytes.empty() && end > bytes_->size()) bytes_->resize(end);
  bytes.copy(bytes_->data() + offset, bytes.size());
  return static_cast<ssize_t>(bytes.size());
}

ssize_t RegularFile::read(void* data, size_t size) {
  const ssize_t count = read_at(data, size, position_);
  position_ += std::max<ssize_t>(count, 0);
  return count;
}

ssize_t RegularFile::write(const iovec* pieces, int count) {
  std::string bytes(size_of(pieces, static_cast<size_t>(count)), '\0');
  gather(pieces, static_cast<size_t>(count), bytes.data(), bytes.size());
  const ssize_t written = write_at(bytes, position_);
  if (written > 0) position_ = (status_flags & O_APPEND) != 0 ? size() : position_ + written;
  return written;
}

FileRef FileSystem::open(const std::string& path, int flags, int& error) {
  const auto found = files_.find(path);
  const bool exists = found != files_.end();
  const bool creates = (flags & O_CREAT) != 0;
  error = !exists && !creates                              ? -ENOENT
          : exists && creates && (flags & O_EXCL) != 0     ? -EEXIST
          : exists && (flags & O_DIRECTORY) == O_DIRECTORY ? -ENOTDIR
                                                           : 0;
  if (error != 0) return nullptr;
  auto& bytes = exists ? found->second : files_[path];
  if (bytes == nullptr) bytes = std::make_shared<std::string>();
  if ((flags & O_TRUNC) != 0 && (flags & O_ACCMODE) != O_RDONLY) bytes->clear();
  auto file = std::make_shared<RegularFile>(bytes);
  file->status_flags = flags & (O_ACCMODE | O_APPEND | O_NONBLOCK);
  return file;
}

void FileSystem::write(const std::string& path, std::string_view bytes) {
  auto& file = files_[path];
  if (file == nullptr) file = std::make_shared<std::string>();
  file->assign(bytes);
}

const std::string* FileSystem::find(const std::string& path) const {
  const auto found = files_.find(path);
  return found == files_.end() ? nullptr : found->second.get();
}

}  // namespace eddy::sim
