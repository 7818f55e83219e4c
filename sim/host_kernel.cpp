#include <eddy/sim/event_counter.h>
#include <eddy/sim/host_kernel.h>
#include <eddy/sim/tcp_socket.h>
#include <signal.h>
#include <sys/mman.h>

#include <utility>

namespace eddy::sim {

HostKernel::HostKernel(Simulation& simulation, int number, std::string name, const Name& address)
    : simulation_(simulation), number_(number), name_(std::move(name)), address_(address) {
  files_.resize(3);  // 0, 1 and 2 are another's
}

HostKernel::~HostKernel() {
  for (FileRef& file : files_) std::exchange(file, nullptr);
  for (const auto& [memory, size] : memory_) ::munmap(memory, size);
}

// --- Descriptors

FileRef HostKernel::file(int fd) const {
  return fd < 0 || static_cast<size_t>(fd) >= files_.size() ? nullptr
                                                            : files_[static_cast<size_t>(fd)];
}

int HostKernel::install(FileRef file) {
  if (has_died_) return -ESRCH;
  size_t fd = 3;
  while (fd < files_.size() && files_[fd] != nullptr) ++fd;
  if (fd >= static_cast<size_t>(descriptor_limit)) {
    simulation_.faults.count(Fault::kNoDescriptors);
    return -EMFILE;
  }
  if (fd == files_.size()) files_.emplace_back();
  files_[fd] = std::move(file);
  ++open_;
  return static_cast<int>(fd);
}

int HostKernel::install_with(FileRef file, int flags) {
  if ((flags & SOCK_NONBLOCK) != 0) file->status_flags |= O_NONBLOCK;
  return install(std::move(file));
}

int HostKernel::duplicate(int fd) {
  FileRef same = file(fd);
  return same == nullptr ? -EBADF : install(std::move(same));
}

int HostKernel::close_descriptor(int fd) {
  if (file(fd) == nullptr) return -EBADF;
  --open_;
  // Out of the table first: the end of the file may look at it.
  const FileRef closed = std::exchange(files_[static_cast<size_t>(fd)], nullptr);
  return 0;
}

// --- What a world does to a host

void HostKernel::raise(int signal_number) {
  const auto [begin, end] = signals_.equal_range(signal_number);
  for (auto at = begin; at != end; ++at) write_eventfd(at->second);
}

int HostKernel::reset(int fd) {
  const auto socket = file_as<TcpSocket>(fd);
  if (socket == nullptr || socket->connection() == nullptr) return -ENOTCONN;
  socket->connection()->break_off();
  return 0;
}

void HostKernel::kill() {
  simulation_.note(*this, "kill", {});
  simulation_.bury(*this);
  has_died_ = true;
  ++process_;
  for (FileRef& file : files_) std::exchange(file, nullptr);
  open_ = 0;
}

// --- Other descriptors

int HostKernel::close(int fd) {
  enter_call();
  simulation_.note(*this, "close", {fd});
  return close_descriptor(fd);
}

int HostKernel::get_status_flags(int fd) {
  const FileRef found = file(fd);
  return found == nullptr ? -EBADF : found->status_flags;
}

int HostKernel::set_status_flags(int fd, int flags) {
  constexpr int kSettable = O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME | O_NONBLOCK;  // fcntl(2)
  const FileRef found = file(fd);
  if (found == nullptr) return -EBADF;
  found->status_flags = (found->status_flags & ~kSettable) | (flags & kSettable);
  return 0;
}

int HostKernel::descriptor_kind(int fd) {
  const FileRef found = file(fd);
  return found == nullptr ? -EBADF : static_cast<int>(found->kind());
}

int HostKernel::lstat(const char* path, struct stat* status) {
  enter_call();
  if (files.find(path) == nullptr) return local_names.status(path, *status);
  *status = {};
  status->st_mode = S_IFREG | 0644;
  return 0;
}

int HostKernel::unlink(const char* path) {
  enter_call();
  return files.unlink(path) == 0 ? 0 : local_names.unlink(path);
}

int HostKernel::chmod(const char* path, uint32_t mode) {
  enter_call();
  return local_names.set_mode(path, mode);
}

// --- Wake-ups and signals

int HostKernel::eventfd() {
  enter_call();
  if (simulation_.strikes(Fault::kNoDescriptors, *this)) return -EMFILE;
  return install_with(std::make_shared<EventCounter>(), SOCK_NONBLOCK);
}

int HostKernel::write_eventfd(int fd) noexcept {
  const auto counter = file_as<EventCounter>(fd);
  if (counter == nullptr) return -EBADF;
  counter->add(1);
  return 0;
}

int64_t HostKernel::read_eventfd(int fd) {
  const auto counter = file_as<EventCounter>(fd);
  return counter == nullptr ? -EBADF : counter->take();
}

int HostKernel::open_signal(int signal_number) {
  if (signal_number < 1 || signal_number > SIGRTMAX) return -EINVAL;
  if (signal_number == SIGKILL || signal_number == SIGSTOP) return -EINVAL;  // sigaction(2)
  const int fd = eventfd();
  if (fd >= 0) signals_.emplace(signal_number, fd);
  return fd;
}

int HostKernel::close_signal(int signal_number, int fd) {
  const auto [begin, end] = signals_.equal_range(signal_number);
  for (auto at = begin; at != end; ++at) {
    if (at->second != fd) continue;
    signals_.erase(at);
    return close(fd);
  }
  return -EBADF;
}

// --- Chance

ssize_t HostKernel::getrandom(void* data, size_t size) {
  constexpr uint64_t kBytes = 256;
  for (size_t i = 0; i < size; ++i) {
    static_cast<uint8_t*>(data)[i] = static_cast<uint8_t>(simulation_.tape.draw(kBytes));
  }
  return static_cast<ssize_t>(size);
}

// --- Memory

void* HostKernel::map_memory(size_t size) {
  if (simulation_.strikes(Fault::kNoMemory, *this)) return nullptr;
  // From Linux itself, which gives zeroed pages as they are touched.
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  memory_.emplace(memory, size);
  return memory;
}

void HostKernel::unmap_memory(void* memory, size_t size) {
  memory_.erase(memory);
  ::munmap(memory, size);
}

void HostKernel::discard_memory(void* memory, size_t size) {
  ::madvise(memory, size, MADV_DONTNEED);
}

// --- CPUs

int HostKernel::get_affinity(unsigned long* mask, size_t bytes) {
  if (bytes < sizeof cpus_ || bytes % sizeof cpus_ != 0) return -EINVAL;
  *mask = cpus_;
  return sizeof cpus_;
}

int HostKernel::set_affinity(const unsigned long* mask, size_t bytes) {
  const unsigned long chosen = bytes < sizeof cpus_ ? 0 : *mask & kCpus;
  if (chosen == 0) return -EINVAL;
  cpus_ = chosen;
  return 0;
}

}  // namespace eddy::sim
