#include <eddy/sim/byte_queue.h>
#include <eddy/sim/host_kernel.h>
#include <eddy/sim/pipe.h>
#include <eddy/sim/simulation.h>

#include <algorithm>
#include <deque>

namespace eddy::sim {
namespace {

constexpr size_t kPageSize = 4096;
constexpr size_t kPages = 16;

// A page that holds bytes: they begin somewhere in it, and end at `end`.
struct Page {
  size_t size;
  size_t end;
};

struct Pipe {
  bool is_full() const { return pages.size() == kPages; }

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

 private:
  Simulation& simulation_;
  const HostKernel& host_;
  const std::shared_ptr<Pipe> pipe_;
};

ssize_t PipeReader::read(void* data, size_t size) {
  if (size == 0) return 0;
  if (pipe_->pages.empty()) return pipe_->writer == nullptr ? 0 : -EAGAIN;

  const bool was_full = pipe_->is_full();
  const size_t taken = std::min(size, pipe_->bytes.size());
  memcpy(data, pipe_->bytes.data(), taken);
  pipe_->bytes.drop(taken);
  for (size_t left = taken; left != 0;) {
    Page& page = pipe_->pages.front();
    const size_t part = std::min(left, page.size);
    page.size -= part;
    left -= part;
    if (page.size == 0) pipe_->pages.pop_front();
  }
  if (was_full && !pipe_->is_full() && pipe_->writer != nullptr) pipe_->writer->wake(POLLOUT);
  return static_cast<ssize_t>(taken);
}

ssize_t PipeWriter::write(const iovec* pieces, int count) {
  size_t size = size_of(pieces, static_cast<size_t>(count));
  if (size == 0) return 0;
  if (pipe_->reader == nullptr) return -EPIPE;

  std::deque<Page>& pages = pipe_->pages;
  size_t room = (kPages - pages.size()) * kPageSize;
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

}  // namespace

std::pair<FileRef, FileRef> make_pipe(Simulation& simulation, HostKernel& host) {
  const auto pipe = std::make_shared<Pipe>();
  auto reader = std::make_shared<PipeReader>(pipe);
  auto writer = std::make_shared<PipeWriter>(simulation, host, pipe);
  return {std::move(reader), std::move(writer)};
}

}  // namespace eddy::sim
