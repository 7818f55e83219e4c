#include <eddy/core/kernel.h>
#include <eddy/core/reactor.h>
#include <eddy/net/file.h>
#include <errno.h>
#include <fcntl.h>

#include <algorithm>
#include <new>
#include <utility>

namespace eddy {

// What the threads share with the handles. The kernel outlives all reactors on it.
struct File::Opened {
  Opened(Kernel& of, WorkPool* on, int descriptor, std::string name)
      : kernel(of), pool(on), fd(descriptor), path(std::move(name)) {}
  ~Opened() { kernel.close(fd); }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

  Kernel& kernel;
  WorkPool* const pool;
  const int fd;
  const std::string path;
};

namespace {

constexpr size_t kPieceBytes = 256 * 1024;

template <typename Call>
auto uninterrupted(Call&& call) {
  for (;;) {
    const auto result = call();
    if (result != -EINTR) return result;
  }
}

int flags_of(const OpenOptions& options) {
  return (options.write ? O_RDWR : O_RDONLY) | (options.create ? O_CREAT : 0) |
         (options.exclusive ? O_EXCL : 0) | (options.truncate ? O_TRUNC : 0);
}

// Appends up to `length` bytes: 0, or a negative errno.
ssize_t read_into(Kernel& kernel, int fd, int64_t offset, size_t length, std::string& bytes) {
  while (length != 0) {
    const size_t before = bytes.size();
    const size_t piece = std::min(length, kPieceBytes);
    bytes.resize(before + piece);
    const ssize_t count =
        uninterrupted([&] { return kernel.pread(fd, bytes.data() + before, piece, offset); });
    bytes.resize(before + static_cast<size_t>(std::max<ssize_t>(count, 0)));
    if (count <= 0) return count;
    offset += count;
    length -= static_cast<size_t>(count);
  }
  return 0;
}

std::unexpected<Error> no_file(const char* call) {
  return std::unexpected<Error>(std::in_place, errno_code(EBADF), call, "", "the File is not open");
}

// Memory that runs out in a thread is the call's failure, not the program's.
template <typename T, typename Work>
Result<T> in_memory(const char* call, const std::string& path, Work&& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return failure(-ENOMEM, call, path);
  }
}

}  // namespace

Result<WorkId> File::open(WorkPool& pool, std::string path, const OpenOptions& options,
                          Done<File> done) {
  Reactor* reactor = pool.reactor();
  if (reactor == nullptr) return std::unexpected(Error(Errc::kClosed, "open", path));
  auto work = [kernel = &reactor->kernel(), pool = &pool, path = std::move(path),
               flags = flags_of(options), mode = options.permissions] {
    return in_memory<File>("open", path, [&]() -> Result<File> {
      const int fd = uninterrupted([&] { return kernel->open(path.c_str(), flags, mode); });
      if (fd < 0) return failure(fd, "open", path);
      File file;
      file.opened_ = std::make_shared<Opened>(*kernel, pool, fd, path);
      return file;
    });
  };
  return pool.run(std::move(work), std::move(done));
}

Result<WorkId> File::read_at(int64_t offset, size_t length, Done<std::string> done) const {
  if (!is_open()) return no_file("pread");
  auto work = [opened = opened_, offset, length] {
    return in_memory<std::string>("pread", opened->path, [&]() -> Result<std::string> {
      std::string bytes;
      const ssize_t failed = eddy::read_into(opened->kernel, opened->fd, offset, length, bytes);
      if (failed < 0) return failure(static_cast<int>(failed), "pread", opened->path);
      return bytes;
    });
  };
  return opened_->pool->run(std::move(work), std::move(done));
}

Result<WorkId> File::write_at(int64_t offset, std::string bytes, Done<void> done) const {
  if (!is_open()) return no_file("pwrite");
  auto work = [opened = opened_, offset, bytes = std::move(bytes)]() -> Result<void> {
    for (size_t written = 0; written < bytes.size();) {
      const ssize_t count = uninterrupted([&] {
        return opened->kernel.pwrite(opened->fd, bytes.data() + written, bytes.size() - written,
                                     offset + static_cast<int64_t>(written));
      });
      if (count < 0) return failure(static_cast<int>(count), "pwrite", opened->path);
      if (count == 0) return failure(-EIO, "pwrite", opened->path);
      written += static_cast<size_t>(count);
    }
    return {};
  };
  return opened_->pool->run(std::move(work), std::move(done));
}

Result<WorkId> File::sync(Done<void> done) const {
  if (!is_open()) return no_file("fsync");
  auto work = [opened = opened_]() -> Result<void> {
    const int failed = uninterrupted([&] { return opened->kernel.fsync(opened->fd); });
    if (failed < 0) return failure(failed, "fsync", opened->path);
    return {};
  };
  return opened_->pool->run(std::move(work), std::move(done));
}

Result<WorkId> File::size(Done<int64_t> done) const {
  if (!is_open()) return no_file("fstat");
  auto work = [opened = opened_]() -> Result<int64_t> {
    const int64_t size = opened->kernel.file_size(opened->fd);
    if (size < 0) return failure(static_cast<int>(size), "fstat", opened->path);
    return size;
  };
  return opened_->pool->run(std::move(work), std::move(done));
}

int File::descriptor() const { return is_open() ? opened_->fd : -1; }

const std::string& File::path() const {
  static const std::string none;
  return is_open() ? opened_->path : none;
}

Result<WorkId> read_file(WorkPool& pool, std::string path, size_t most,
                         File::Done<std::string> done) {
  Reactor* reactor = pool.reactor();
  if (reactor == nullptr) return std::unexpected(Error(Errc::kClosed, "open", path));
  auto work = [kernel = &reactor->kernel(), path = std::move(path), most] {
    return in_memory<std::string>("read_file", path, [&]() -> Result<std::string> {
      const int fd = uninterrupted([&] { return kernel->open(path.c_str(), O_RDONLY, 0); });
      if (fd < 0) return failure(fd, "open", path);
      // Closed whatever happens, also where memory runs out.
      const std::unique_ptr<const int, std::function<void(const int*)>> closes(
          &fd, [kernel](const int* open) { kernel->close(*open); });
      std::string bytes;
      const size_t one_more = most == SIZE_MAX ? most : most + 1;
      const ssize_t failed = eddy::read_into(*kernel, fd, 0, one_more, bytes);
      if (failed < 0) return failure(static_cast<int>(failed), "pread", path);
      if (bytes.size() <= most) return bytes;
      return std::unexpected<Error>(std::in_place, Errc::kOverLimit, "read_file", path,
                                    "it has more than " + std::to_string(most) + " bytes");
    });
  };
  return pool.run(std::move(work), std::move(done));
}

}  // namespace eddy
