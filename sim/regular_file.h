// Regular files of a simulated host: bytes in memory, under a path.
//
// What it is: what open(2), pread(2), pwrite(2) and sendfile(2) see of a file system without
// directories, permissions or a disk that could be slow. The bytes belong to the path and to the
// descriptors that have them open, as on Linux: a file that is unlinked is there until it is
// closed.
#pragma once

#include <eddy/sim/file.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace eddy::sim {

class RegularFile final : public File {
 public:
  explicit RegularFile(std::shared_ptr<std::string> bytes) : bytes_(std::move(bytes)) {}

  uint32_t readiness() override { return POLLIN | POLLOUT; }
  DescriptorKind kind() const override { return DescriptorKind::kRegularFile; }
  ssize_t read(void* data, size_t size) override;
  ssize_t write(const iovec* pieces, int count) override;

  ssize_t read_at(void* data, size_t size, int64_t offset) const;
  ssize_t write_at(std::string_view bytes, int64_t offset);
  int64_t size() const { return static_cast<int64_t>(bytes_->size()); }
  // What lies there, of at most `size` bytes.
  std::string_view view(int64_t offset, size_t size) const;

 private:
  std::shared_ptr<std::string> bytes_;
  int64_t position_ = 0;
};

// The files of one host.
class FileSystem {
 public:
  // open(2): null with `error` set.
  FileRef open(const std::string& path, int flags, int& error);
  // The whole of a file from now on, for whoever has it open as well.
  void write(const std::string& path, std::string_view bytes);
  const std::string* find(const std::string& path) const;  // null: there is none
  int unlink(const std::string& path) { return files_.erase(path) != 0 ? 0 : -ENOENT; }

 private:
  std::map<std::string, std::shared_ptr<std::string>> files_;
};

}  // namespace eddy::sim
