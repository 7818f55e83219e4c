// Files that are read and written without blocking the loop.
//
// What it is: the calls of open(2), pread(2), pwrite(2) and fsync(2), each made by a thread of a
// WorkPool, and its result told on the loop. A File is a handle on an open file: it may be copied,
// and the file is closed with the last copy, once nothing of it is under way.
//
//   eddy::File::open(pool, "/etc/hostname", {}, [](eddy::Result<eddy::File> file) {
//     if (!file) return …;
//     file->read_at(0, 4096, [](eddy::Result<std::string> bytes) { … });
//   });
//
// Each call takes `done`, which is called once, on the reactor's thread, by a later turn, with the
// result or an error that names the call and the path. What a call returns is the WorkId by which
// it can be cancelled (WorkPool::cancel), or why it was not started, and then `done` is not called:
// WorkPool::run tells the reasons. Calls run at once or in any order: who wants one after the other
// starts it in the `done` of the first.
//
// To send a file to a stream, give `descriptor` to Stream::send_file. To send what was read:
// `stream.send(eddy::Slice::adopt(std::move(bytes)))`, without a copy.
//
// Ownership: the pool is the user's, and outlives the calls. Threads: the reactor's alone.
#pragma once

#include <eddy/core/error.h>
#include <eddy/core/work_pool.h>
#include <stddef.h>
#include <stdint.h>

#include <functional>
#include <memory>
#include <string>

namespace eddy {

// For open(2). Without `write` it is for reading alone, with it for both.
struct OpenOptions {
  bool write = false;
  bool create = false;          // O_CREAT: where there is none
  bool exclusive = false;       // O_EXCL: only where there is none (EEXIST)
  bool truncate = false;        // O_TRUNC: what was in it is gone
  unsigned permissions = 0644;  // of one that is made, less the umask
};

class File {
 public:
  template <typename T>
  using Done = std::move_only_function<void(Result<T>)>;

  File() = default;  // no file: it may be assigned to

  static Result<WorkId> open(WorkPool& pool, std::string path, const OpenOptions& options,
                             Done<File> done);

  // `length` bytes from `offset` on; fewer only where the file ends.
  Result<WorkId> read_at(int64_t offset, size_t length, Done<std::string> done) const;
  // All of them, or an error, and then nobody knows how many.
  Result<WorkId> write_at(int64_t offset, std::string bytes, Done<void> done) const;
  // Returns when the disk has it (fsync(2)).
  Result<WorkId> sync(Done<void> done) const;
  Result<WorkId> size(Done<int64_t> done) const;

  bool is_open() const { return opened_ != nullptr; }
  int descriptor() const;  // stays the file's; -1: it is none
  const std::string& path() const;

 private:
  struct Opened;
  std::shared_ptr<Opened> opened_;
};

// The whole of a file. Errc::kOverLimit where it has more than `most` bytes: it is then read no
// further, so a file that never ends (/dev/zero) takes no more memory than that.
Result<WorkId> read_file(WorkPool& pool, std::string path, size_t most,
                         File::Done<std::string> done);

}  // namespace eddy
