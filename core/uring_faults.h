// One io_uring between a reactor and the kernel: what a FaultyKernel does to it.
//
// What it is: the reactor maps copies of the ring's memory. `enter` takes its submissions, hands
// the kernel those that no rule completes in its place, takes the kernel's completions, holds back
// what is to come late, and writes the rest where the reactor reads. Offsets and sizes are the real
// ring's. Threads: its kernel's.
#pragma once

#include <eddy/core/fault_plan.h>
#include <eddy/core/kernel.h>
#include <eddy/core/uring_abi.h>
#include <stdint.h>

#include <array>
#include <deque>
#include <expected>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

namespace eddy {

class UringFaults {
 public:
  static unsigned flags(const io_uring_params& parameters) { return parameters.flags; }
  // The ring could be entered by something else than its descriptor.
  static bool hides_ring(unsigned opcode) { return opcode == IORING_REGISTER_RING_FDS; }
  // The real ring, or a negative errno. The caller closes its descriptor, after the object is gone.
  static std::expected<std::unique_ptr<UringFaults>, int> set_up(Kernel& inner, FaultPlan& plan,
                                                                 unsigned entries,
                                                                 io_uring_params& parameters);
  ~UringFaults();
  UringFaults(const UringFaults&) = delete;
  UringFaults& operator=(const UringFaults&) = delete;

  int descriptor() const { return fd_; }
  void* map(uint64_t offset, size_t size);
  void unmap(void* memory);  // nothing happens if it is not this ring's
  int enter(unsigned to_submit, unsigned min_complete, unsigned flags, const void* argument,
            size_t argument_size);

 private:
  struct alignas(64) CacheLine {
    std::byte bytes[64];
  };
  // A mapping of the kernel's, and what the reactor has in its place.
  struct Region {
    void* real = nullptr;
    std::unique_ptr<CacheLine[]> shadow;
    size_t size = 0;
  };
  // Where the parts of a ring lie.
  struct View {
    unsigned *sq_head, *sq_tail, *sq_flags, *sq_array;
    unsigned *cq_head, *cq_tail;
    io_uring_sqe* sqes;
    io_uring_cqe* cqes;
  };
  // An operation that the kernel has.
  struct Live {
    UringOperation operation;
    std::optional<int> result;  // told in the place of the real one
    bool is_tried;              // see `tried_`
  };
  // A completion on its way to the reactor.
  struct Held {
    uint64_t user_data;
    int32_t result;
    uint32_t flags;
    uint64_t due;  // the `enter` that may deliver it
    bool late;     // after the others of that one
    bool carries_buffer() const { return (flags & IORING_CQE_F_BUFFER) != 0 || result == -ENOBUFS; }
  };
  // A message header that is cut short, until the kernel has copied it.
  struct CutMessage {
    msghdr header;
    std::vector<iovec> pieces;
  };
  static constexpr uint64_t kOwnCancel = UINT64_MAX;

  UringFaults(Kernel& inner, FaultPlan& plan, int fd, const io_uring_params& parameters)
      : inner_(inner), plan_(plan), fd_(fd), parameters_(parameters) {}
  View view_of(char* rings, void* sqes) const;

  void take_submissions(unsigned count);
  void submit(const io_uring_sqe& entry);
  void cut(io_uring_sqe& entry, UringOperation operation);
  io_uring_sqe& next_real_entry();
  unsigned unsubmitted() const;
  int enter_real(unsigned min_complete, unsigned flags, const void* argument, size_t argument_size);

  unsigned room() const;
  void collect();
  void admit(const io_uring_cqe& completion);
  void forget_tried();
  void hold(uint64_t user_data, int result, uint32_t flags, const Live& live);
  void end_multishots();
  void end_multishot(uint64_t user_data);
  unsigned deliver();
  unsigned deliver_pass();
  void mirror_flags();

  Kernel& inner_;
  FaultPlan& plan_;
  const int fd_;
  const io_uring_params parameters_;
  Region rings_;
  Region sqes_;
  View real_ = {};
  View shadow_ = {};
  uint64_t enters_ = 0;
  std::unordered_map<uint64_t, Live> live_;  // by user_data
  // Those that complete only at failure (IOSQE_CQE_SKIP_SUCCESS), which is while they are
  // submitted: no completion when `enter` returns is a success, unless the kernel's queue has
  // overflowed, so theirs are never late.
  std::vector<uint64_t> tried_;
  std::list<Held> held_;          // in the kernel's order
  std::vector<uint64_t> to_end_;  // multishot operations
  std::deque<CutMessage> cut_;
};

}  // namespace eddy
