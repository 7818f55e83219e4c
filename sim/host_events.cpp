// The calls of a host's kernel that wait for events: epoll and io_uring.
#include <eddy/sim/epoll.h>
#include <eddy/sim/host_kernel.h>

#if EDDY_HAS_URING
#include <eddy/sim/uring.h>
#endif

namespace eddy::sim {

// --- epoll

int HostKernel::epoll_create() {
  enter_call();
  if (simulation_.strikes(Fault::kNoDescriptors, *this)) return -EMFILE;
  return install(std::make_shared<Epoll>(*this));
}

int HostKernel::epoll_ctl(int epoll_fd, int operation, int fd, epoll_event* event) {
  enter_call();
  const auto epoll = file_as<Epoll>(epoll_fd);
  const FileRef target = file(fd);
  if (target == nullptr || file(epoll_fd) == nullptr) return -EBADF;
  if (epoll == nullptr) return -EINVAL;
  constexpr int kAdd = 1;  // EPOLL_CTL_ADD
  if (operation == kAdd && simulation_.strikes(Fault::kNoMemory, *this)) {
    return simulation_.tape.draw(2) == 0 ? -ENOMEM : -ENOSPC;
  }
  return epoll->control(operation, fd, target, event);
}

int HostKernel::epoll_wait(int epoll_fd, epoll_event* events, int capacity, int64_t timeout_ns) {
  enter_call();
  if (has_died_) return -ESRCH;
  const auto epoll = file_as<Epoll>(epoll_fd);
  if (epoll == nullptr) return file(epoll_fd) == nullptr ? -EBADF : -EINVAL;
  if (capacity <= 0) return -EINVAL;
  simulation_.waits_on(*this, epoll);
  const bool ready = epoll->readiness() != 0;
  if (!ready && simulation_.strikes(Fault::kInterrupted, *this)) return -EINTR;
  if (ready) {
    simulation_.busy();
  } else if (timeout_ns == 0) {
    simulation_.idle();
  } else {
    const int64_t deadline =
        timeout_ns < 0 ? Simulation::kNever : Simulation::later(simulation_.now_ns(), timeout_ns);
    const auto waited =
        simulation_.wait(deadline, [&] { return has_died_ || epoll->readiness() != 0; });
    if (has_died_) return -ESRCH;
    if (waited == Simulation::Waited::kDeadlocked) return -EDEADLK;
  }
  const int count = epoll->take(events, capacity);
  simulation_.note(*this, "epoll_wait", {count});
  return count;
}

// --- io_uring

#if EDDY_HAS_URING

int HostKernel::uring_setup(unsigned entries, io_uring_params* parameters) {
  enter_call();
  int error = 0;
  FileRef ring = Uring::open(*this, entries, *parameters, error);
  return ring == nullptr ? error : install(std::move(ring));
}

int HostKernel::uring_enter(int ring_fd, unsigned to_submit, unsigned min_complete, unsigned flags,
                            const void* argument, size_t argument_size) {
  enter_call();
  if (has_died_) return -ESRCH;
  const auto ring = Uring::find(*this, ring_fd, flags);
  if (ring == nullptr) return file(ring_fd) == nullptr ? -EBADF : -EOPNOTSUPP;
  return ring->enter(to_submit, min_complete, flags, argument, argument_size);
}

int HostKernel::uring_register(int ring_fd, unsigned opcode, void* argument, unsigned count) {
  enter_call();
  const auto ring = file_as<Uring>(ring_fd);
  if (ring == nullptr) return file(ring_fd) == nullptr ? -EBADF : -EOPNOTSUPP;
  return ring->register_with(opcode, argument, count);
}

void* HostKernel::uring_map(int ring_fd, uint64_t offset, size_t size) {
  const auto ring = file_as<Uring>(ring_fd);
  return ring == nullptr ? nullptr : ring->map(offset, size);
}

#else

int HostKernel::uring_setup(unsigned, io_uring_params*) { return -ENOSYS; }
int HostKernel::uring_enter(int, unsigned, unsigned, unsigned, const void*, size_t) {
  return -ENOSYS;
}
int HostKernel::uring_register(int, unsigned, void*, unsigned) { return -ENOSYS; }
void* HostKernel::uring_map(int, uint64_t, size_t) { return nullptr; }

#endif

void HostKernel::uring_unmap(void* /*memory*/, size_t /*size*/) {}  // the ring's own

}  // namespace eddy::sim
