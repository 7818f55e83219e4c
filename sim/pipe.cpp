#include <eddy/sim/byte_queue.h>
#include <eddy/sim/host_kernel.h>
#include <eddy/sim/pipe.h>
#include <eddy/sim/simulation.h>

#include <algorithm>
#include <bit>
#include <deque>
#include <string>
#include <string_view>

namespace eddy::sim {
namespace {

constexpr size_t kPageSize = 4096;
constexpr size_t kPages = 16;
constexpr int kMostBytes = 1 << 20;  // fs.pipe-max-size

// A page that holds bytes: they begin somewhere in it, and end at `end`.
struct Page {
  size_t size;
  size_t end;
};

struct Pipe {
  bool is_full() const { return pages.size() >= most_pages; }
  size_t room() const { return is_full() ? 0 : (most_pages - pages.size()) * kPageSize; }
  void take(size_t count);

  size_t most_pages = kPages;
  std::deque<Page> pages;
  ByteQueue bytes;
  File* reader = nullptr;  // null: closed
  File* writer = nullptr;
};

class PipeReader final : public File {
 public:
  explicit PipeReader(std::shared_ptr<Pipe> pipe) : pipe_(std::move(pipe)) {
    status_flags = O_RDONLY;
    pipe_->reader = this;
  }
  ~PipeReader() override {
    pipe_->reader = nullptr;
    if (pipe_->writer != nullptr) pipe_->writer->wake(POLLOUT | POLLERR | POLLHUP);
  }

  DescriptorKind kind() const override { return DescriptorKind::kPipe; }
  uint32_t readiness() override {
    return (pipe_->pages.empty() ? 0u : POLLIN) | (pipe_->writer == nullptr ? POLLHUP : 0u);
  }
  ssize_t write(const iovec* /*pieces*/, int /*count*/) override { return -EBADF; }
  ssize_t read(void* data, size_t size) override;
  Pipe& pipe() { return *pipe_; }

 private:
  const std::shared_ptr<Pipe> pipe_;
};

class PipeWriter final : public File {
 public:
  PipeWriter(Simulation& simulation, const HostKernel& host, std::shared_ptr<Pipe> pipe)
      : simulation_(simulation), host_(host), pipe_(std::move(pipe)) {
    status_flags = O_WRONLY;
    pipe_->writer = this;
  }
  ~PipeWriter() override {
    pipe_->writer = nullptr;
    if (pipe_->reader != nullptr) pipe_->reader->wake(POLLIN | POLLERR | POLLHUP);
  }

  DescriptorKind kind() const override { return DescriptorKind::kPipe; }
  uint32_t readiness() override {
    return (pipe_->is_full() ? 0u : POLLOUT) | (pipe_->reader == nullptr ? POLLERR : 0u);
  }
  ssize_t read(void* /*data*/, size_t /*size*/) override { return -EBADF; }
  ssize_t write(const iovec* pieces, int count) override;
  Pipe& pipe() { return *pipe_; }

 private:
  Simulation& simulation_;
  const HostKernel& host_;
  const std::shared_ptr<Pipe> pipe_;
};

// The first bytes have been read: the writer is told when that makes room.
void Pipe::take(size_t count) {
  const bool was_full = is_full();
  bytes.drop(count);
  while (count != 0) {
    Page& page = pages.front();
    const size_t part = std::min(count, page.size);
    page.size -= part;
    count -= part;
    if (page.size == 0) pages.pop_front();
  }
  if (was_full && !is_full() && writer != nullptr) writer->wake(POLLOUT);
}

ssize_t PipeReader::read(void* data, size_t size) {
  if (size == 0) return 0;
  if (pipe_->pages.empty()) return pipe_->writer == nullptr ? 0 : -EAGAIN;
  const size_t taken = std::min(size, pipe_->bytes.size());
  memcpy(data, pipe_->bytes.data(), taken);
  pipe_->take(taken);
  return static_cast<ssize_t>(taken);
}

ssize_t PipeWriter::write(const iovec* pieces, int count) {
  size_t size = size_of(pieces, static_cast<size_t>(count));
  if (size == 0) return 0;
  if (pipe_->reader == nullptr) return -EPIPE;

  std::deque<Page>& pages = pipe_->pages;
  size_t room = pipe_->room();
  // What does not fill a page goes to the end of the last one, if it fits there whole.
  const size_t odd = size % kPageSize;
  const bool joins = odd != 0 && !pages.empty() && pages.back().end + odd <= kPageSize;
  if (joins) {
    pages.back().size += odd;
    pages.back().end += odd;
    room += odd;
  }
  if (room == 0) return -EAGAIN;
  // A part of a large write, as when a reader is slower than this; what is atomic stays whole.
  bool is_short = false;
  if (size > kPageSize && room > kPageSize && simulation_.strikes(Fault::kShortSend, host_)) {
    is_short = true;
    room = (joins ? odd : 0) + kPageSize;
  }
  size = std::min(size, room);
  for (size_t left = size - (joins ? odd : 0); left != 0;) {
    const size_t part = std::min(left, kPageSize);
    pages.push_back({part, part});
    left -= part;
  }

  gather(pieces, static_cast<size_t>(count), pipe_->bytes.extend(size), size);
  pipe_->reader->wake(POLLIN);
  if (is_short) {
    // Who saw a short write waits for room: there must be a moment at which it comes.
    simulation_.after(1000, [writer = weak_from_this()] {
      if (const FileRef file = writer.lock()) file->wake(POLLOUT);
    });
  }
  return static_cast<ssize_t>(size);
}

// Pages that are full to their ends: nothing is added to what was spliced in.
void splice_in(Pipe& pipe, std::string_view bytes) {
  for (size_t left = bytes.size(); left != 0;) {
    const size_t part = std::min(left, kPageSize);
    pipe.pages.push_back({part, kPageSize});
    left -= part;
  }
  pipe.bytes.push(bytes);
  pipe.reader->wake(POLLIN);
}

}  // namespace

int resize_pipe(File& end, int size) {
  auto* reader = dynamic_cast<PipeReader*>(&end);
  Pipe& pipe = reader != nullptr ? reader->pipe() : dynamic_cast<PipeWriter&>(end).pipe();
  if (size < 0) return -EINVAL;
  if (size > kMostBytes) return -EPERM;
  const size_t pages =
      std::bit_ceil(std::max<size_t>((static_cast<size_t>(size) + kPageSize - 1) / kPageSize, 1));
  if (pages < pipe.pages.size()) return -EBUSY;
  pipe.most_pages = pages;
  return static_cast<int>(pages * kPageSize);
}

ssize_t fill_pipe(File& from, File& to, size_t size) {
  auto* writer = dynamic_cast<PipeWriter*>(&to);
  if (writer == nullptr) return to.kind() == DescriptorKind::kPipe ? -EBADF : -EINVAL;
  Pipe& pipe = writer->pipe();
  if (pipe.reader == nullptr) return -EPIPE;
  size = std::min(size, pipe.room());
  if (size == 0) return -EAGAIN;
  std::string bytes(size, '\0');
  const ssize_t count = from.read(bytes.data(), size);
  if (count > 0) splice_in(pipe, std::string_view(bytes).substr(0, static_cast<size_t>(count)));
  return count;
}

ssize_t empty_pipe(File& from, File& to, size_t size) {
  auto* reader = dynamic_cast<PipeReader*>(&from);
  if (reader == nullptr) return from.kind() == DescriptorKind::kPipe ? -EBADF : -EINVAL;
  Pipe& pipe = reader->pipe();
  if (pipe.pages.empty()) return pipe.writer == nullptr ? 0 : -EAGAIN;
  const iovec piece = {const_cast<char*>(pipe.bytes.data()),  // NOLINT: iovec's type
                       std::min(size, pipe.bytes.size())};
  const ssize_t count = to.write(&piece, 1);
  if (count > 0) pipe.take(static_cast<size_t>(count));
  return count;
}

std::pair<FileRef, FileRef> make_pipe(Simulation& simulation, HostKernel& host) {
  const auto pipe = std::make_shared<Pipe>();
  auto reader = std::make_shared<PipeReader>(pipe);
  auto writer = std::make_shared<PipeWriter>(simulation, host, pipe);
  return {std::move(reader), std::move(writer)};
}

}  // namespace eddy::sim
