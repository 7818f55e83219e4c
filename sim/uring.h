// An io_uring instance of the simulated kernel, at the level of its memory.
//
// What it is: rings that a program writes and reads as it would Linux's, and the operations behind
// them, as Linux 6.18 does them for a ring with IORING_SETUP_SINGLE_ISSUER, DEFER_TASKRUN and
// SUBMIT_ALL; others are refused with -EINVAL. An operation is first tried while it is submitted.
// What would block waits on its file, and once that wakes it becomes task work, which runs only
// within an `enter` that asks for events; there it looks again, and may find nothing. Buffers are
// chosen and written at that last moment.
//
// What is not Linux's, for the world's sake: readiness() has no POLLOUT, so that a loop whose ring
// is idle is idle; and a minimum wait without a time-out that finds nothing goes on waiting, rather
// than returning -ETIME again and again, which would hide a deadlock. An operation that would block
// though its file is ready is tried again a little later; Linux hands it to a worker thread.
//
// Source: io_uring(7), io_uring_setup(2), io_uring_enter(2), io_uring_register(2); where they are
// silent, io_uring/*.c of Linux.
//
// Ownership: the descriptor table's. The rings' memory lives as long as the object: a program
// unmaps it before it closes, unless it has died. Operations that are still under way when the last
// descriptor closes are a violation (simulation.h), unless the process has died, or they are
// receives, accepts or polls that have found nothing.
#pragma once

#include <eddy/sim/file.h>
#include <eddy/sim/host_kernel.h>
#include <eddy/sim/provided_buffers.h>
#include <eddy/sim/uring_completions.h>
#include <eddy/sim/uring_request.h>

#include <deque>
#include <memory>
#include <vector>

namespace eddy::sim {

class Uring final : public File {
 public:
  // io_uring_setup(2); null with `error` set.
  static FileRef open(HostKernel& host, unsigned entries, io_uring_params& parameters, int& error);
  // By descriptor, or by place among the registered ones (IORING_ENTER_REGISTERED_RING).
  static std::shared_ptr<Uring> find(HostKernel& host, int fd, unsigned flags);

  Uring(HostKernel& host, const io_uring_params& parameters);
  ~Uring() override;

  int enter(unsigned to_submit, unsigned min_complete, unsigned flags, const void* argument,
            size_t argument_size);
  int register_with(unsigned opcode, void* argument, unsigned count);
  void* map(uint64_t offset, size_t size);

  uint32_t readiness() override { return has_events() ? POLLIN | POLLRDNORM : 0; }

  // Operations under way, notifications that are due among them.
  size_t in_flight() const { return live_.size(); }

 private:
  friend struct UringRequest;
  using Completion = UringCompletions::Completion;

  // How a try of an operation ended.
  struct Outcome {
    enum class Kind : uint8_t { kDone, kBlocked, kAgain } kind;
    int result = 0;
    uint32_t flags = 0;
    bool failed = false;
  };
  static Outcome done(ssize_t result, uint32_t flags = 0) {
    return {Outcome::Kind::kDone, static_cast<int>(result), flags, result < 0};
  }
  static Outcome blocked() { return {Outcome::Kind::kBlocked}; }
  static Outcome again() { return {Outcome::Kind::kAgain}; }

  // What a program maps.
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  struct Memory {
    std::vector<Line> rings;
    std::vector<io_uring_sqe> submissions;
  };
  // What an enter waits for.
  struct Patience {
    int64_t deadline_ns = Simulation::kNever;
    int64_t min_wait_ns = 0;
  };

  // --- Memory (uring.cpp)
  static int check(unsigned entries, const UringLimits& limits, io_uring_params& parameters);
  void lay_out(io_uring_params& parameters);
  unsigned offered() const {
    return __atomic_load_n(&words_->sq_tail, __ATOMIC_ACQUIRE) - words_->sq_head;
  }

  // --- Entering (uring_enter.cpp)
  bool has_events() const {
    return !due_.empty() || completions_.overflows() || completions_.ready() != 0;
  }
  int read_patience(const void* argument, size_t size, Patience& patience) const;
  int get_events(unsigned wanted, const Patience& patience, bool submitted);
  int await(unsigned wanted, const Patience& patience);

  // --- Submission (uring_submission.cpp)
  unsigned submit(unsigned count);
  void submit_one(const io_uring_sqe& entry);
  int prepare(UringRequest& request);
  int prepare_accept(UringRequest& request);
  int prepare_receive(UringRequest& request);
  int prepare_send(UringRequest& request);
  int prepare_connect(UringRequest& request);
  int prepare_poll(UringRequest& request);
  int prepare_cancel(UringRequest& request);
  int find_target(UringRequest& request);

  // --- Operations: one try (uring_operations.cpp, uring_receive.cpp, uring_send.cpp)
  Outcome attempt(UringRequest& request);
  Outcome accept(UringRequest& request);
  Outcome connect(UringRequest& request);
  Outcome poll(UringRequest& request);
  Outcome receive(UringRequest& request);
  Outcome receive_into_own(UringRequest& request, Socket& socket);
  ssize_t receive_into(UringRequest& request, Socket& socket, const iovec& room, size_t& filled);
  ssize_t receive_framed(UringRequest& request, Socket& socket, const iovec& room, size_t& filled);
  static bool is_limit_reached(UringRequest& request, ssize_t result);
  char* stage(const iovec& room);
  void unstage(const iovec& room, size_t size);
  Outcome send(UringRequest& request);
  Outcome update_files(UringRequest& request);

  // --- Cancellation (uring_cancel.cpp)
  Outcome cancel(UringRequest& request);
  bool cancel_one(UringRequest& target, bool targets_first);

  // --- The life of a request (uring_task_work.cpp)
  UringRequest& take_request();
  void start(UringRequest& request);
  void settle(UringRequest& request, const Outcome& outcome);
  void arm(UringRequest& request);
  void make_due(UringRequest& request);
  void make_late(UringRequest& request, int64_t delay_ns);
  void release_due();
  void unqueue(UringRequest& request);
  void run_task_work(unsigned most);
  void run(UringRequest& request);
  void finish(UringRequest& request, int result, uint32_t flags, bool failed);
  void release(UringRequest& request);
  void start_notification(UringRequest& request, bool sent);
  void notify(UringRequest& request);
  void post(const UringRequest& request, int result, uint32_t flags);
  // A completion that is not the last one; false: it must be the last.
  bool post_more(UringRequest& request, int result, uint32_t flags);
  void signal();

  // --- Registration (uring_registration.cpp)
  int register_buffers(const void* argument, unsigned count);
  int unregister_buffers(const void* argument, unsigned count);
  ProvidedBuffers* find_buffers(uint16_t group);
  int register_files(const void* argument, unsigned size);
  int register_eventfd(const void* argument, unsigned count);
  int register_ring(void* argument, unsigned count);
  int unregister_ring(const void* argument, unsigned count);

  HostKernel& host_;
  Simulation& simulation_;
  const UringLimits limits_;
  bool enabled_;
  bool can_be_registered_;

  std::shared_ptr<Memory> memory_ = std::make_shared<Memory>();
  UringWords* words_ = nullptr;
  unsigned* array_ = nullptr;  // null: entries are taken in order
  UringCompletions completions_;

  std::deque<UringRequest> requests_;
  std::vector<UringRequest*> free_;
  LinkedList<UringRequest, &UringRequest::live_hook> live_;  // in the order of submission
  LinkedList<UringRequest, &UringRequest::task_hook> due_;   // task work
  LinkedList<UringRequest, &UringRequest::task_hook> late_;

  std::vector<ProvidedBuffers> buffers_;
  std::vector<FileRef> files_;  // direct descriptors
  FileRef eventfd_;
  std::vector<char> scratch_;
  std::vector<iovec> rest_;
};

}  // namespace eddy::sim
