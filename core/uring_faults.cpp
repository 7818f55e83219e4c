#include <eddy/core/check.h>
#include <eddy/core/fault_pieces_internal.h>
#include <eddy/core/uring_abi.h>
#include <eddy/core/uring_faults.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include <algorithm>

namespace eddy {
namespace {

constexpr int kMostAttempts = 1000;

unsigned load(const unsigned* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
// NOLINTNEXTLINE(readability-non-const-parameter): the built-in writes to it
void store(unsigned* word, unsigned value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }

UringOperation operation_of(const io_uring_sqe& entry) {
  switch (entry.opcode) {
    case IORING_OP_ACCEPT: return UringOperation::kAccept;
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG: return UringOperation::kReceive;
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
    case IORING_OP_SEND_ZC:
    case IORING_OP_SENDMSG_ZC: return UringOperation::kSend;
    case IORING_OP_CONNECT: return UringOperation::kConnect;
    case IORING_OP_POLL_ADD: return UringOperation::kPoll;
    case IORING_OP_ASYNC_CANCEL: return UringOperation::kCancel;
    case IORING_OP_CLOSE: return UringOperation::kClose;
    case IORING_OP_FILES_UPDATE: return UringOperation::kFilesUpdate;
    default: return UringOperation::kOther;
  }
}

bool is_gathered(const io_uring_sqe& entry) {
  return entry.opcode == IORING_OP_SENDMSG || entry.opcode == IORING_OP_SENDMSG_ZC;
}

// Taking a descriptor out of the table needs no memory.
bool can_fail(const io_uring_sqe& entry) {
  return entry.opcode != IORING_OP_FILES_UPDATE || *reinterpret_cast<const int*>(entry.addr) >= 0;
}

bool is_ended_early(UringOperation operation) {
  return operation == UringOperation::kAccept || operation == UringOperation::kReceive ||
         operation == UringOperation::kPoll;
}

template <typename T>
T* at(char* base, uint32_t offset) {
  return reinterpret_cast<T*>(base + offset);
}

}  // namespace

// --- The two rings

std::expected<std::unique_ptr<UringFaults>, int> UringFaults::set_up(Kernel& inner, FaultPlan& plan,
                                                                     unsigned entries,
                                                                     io_uring_params& parameters) {
  if (plan.most_entries() != 0) entries = std::min(entries, plan.most_entries());
  if (plan.most_completion_entries() != 0) {
    // The kernel wants as many completions as submissions at the least.
    parameters.flags |= IORING_SETUP_CQSIZE;
    parameters.cq_entries = std::max(plan.most_completion_entries(), entries);
  }
  const int fd = inner.uring_setup(entries, &parameters);
  if (fd < 0) return std::unexpected(fd);
  return std::unique_ptr<UringFaults>(new UringFaults(inner, plan, fd, parameters));
}

UringFaults::~UringFaults() {
  for (const Region* region : {&rings_, &sqes_}) {
    if (region->real != nullptr) inner_.uring_unmap(region->real, region->size);
  }
}

void* UringFaults::map(uint64_t offset, size_t size) {
  Region& region = offset == IORING_OFF_SQES ? sqes_ : rings_;
  EDDY_INVARIANT(region.real == nullptr, "a ring of a FaultyKernel is mapped once");
  region.real = inner_.uring_map(fd_, offset, size);
  if (region.real == nullptr) return nullptr;
  region.size = size;
  region.shadow = std::make_unique<CacheLine[]>((size + sizeof(CacheLine) - 1) / sizeof(CacheLine));
  memcpy(region.shadow.get(), region.real, size);
  if (rings_.real != nullptr && sqes_.real != nullptr) {
    real_ = view_of(static_cast<char*>(rings_.real), sqes_.real);
    shadow_ = view_of(reinterpret_cast<char*>(rings_.shadow.get()), sqes_.shadow.get());
    for (unsigned i = 0; real_.sq_array != nullptr && i < parameters_.sq_entries; ++i) {
      real_.sq_array[i] = i;
    }
  }
  return region.shadow.get();
}

void UringFaults::unmap(void* memory) {
  for (Region* region : {&rings_, &sqes_}) {
    if (memory != region->shadow.get()) continue;
    inner_.uring_unmap(region->real, region->size);
    *region = {};
  }
}

UringFaults::View UringFaults::view_of(char* rings, void* sqes) const {
  const auto& sq = parameters_.sq_off;
  const auto& cq = parameters_.cq_off;
  const bool has_array = (parameters_.flags & uring::kSetupNoSqArray) == 0;
  return {.sq_head = at<unsigned>(rings, sq.head),
          .sq_tail = at<unsigned>(rings, sq.tail),
          .sq_flags = at<unsigned>(rings, sq.flags),
          .sq_array = has_array ? at<unsigned>(rings, sq.array) : nullptr,
          .cq_head = at<unsigned>(rings, cq.head),
          .cq_tail = at<unsigned>(rings, cq.tail),
          .sqes = static_cast<io_uring_sqe*>(sqes),
          .cqes = at<io_uring_cqe>(rings, cq.cqes)};
}

// --- Entering

int UringFaults::enter(unsigned to_submit, unsigned min_complete, unsigned flags,
                       const void* argument, size_t argument_size) {
  ++enters_;
  const unsigned offered = load(shadow_.sq_tail) - *shadow_.sq_head;
  const unsigned taken = std::min(to_submit, offered);
  take_submissions(taken);
  // What is held back counts enters, so a sleep must not come between.
  const bool waits = held_.empty() && load(shadow_.cq_tail) == load(shadow_.cq_head);
  const int result = enter_real(waits ? min_complete : 0, flags, argument, argument_size);
  collect();
  forget_tried();
  end_multishots();
  const unsigned delivered = deliver();
  mirror_flags();
  if (taken != 0 || delivered != 0) return static_cast<int>(taken);
  if (result < 0) return result;
  return waits || min_complete == 0 ? 0 : -EINTR;
}

// The real queue is empty before and after. The result is that of the first call, which is the one
// that waits.
int UringFaults::enter_real(unsigned min_complete, unsigned flags, const void* argument,
                            size_t argument_size) {
  const int result =
      inner_.uring_enter(fd_, unsubmitted(), min_complete, flags, argument, argument_size);
  for (int i = 0; i < kMostAttempts && unsubmitted() != 0; ++i) {
    collect();
    inner_.uring_enter(fd_, unsubmitted(), 0, IORING_ENTER_GETEVENTS, nullptr,
                       uring::kSignalSetBytes);
  }
  EDDY_INVARIANT(unsubmitted() == 0, "the kernel takes no submissions");
  cut_.clear();
  return result;
}

unsigned UringFaults::unsubmitted() const { return *real_.sq_tail - load(real_.sq_head); }

// As the kernel does, so that the reactor finds TASKRUN and CQ_OVERFLOW; what is due and finds no
// room is an overflow too.
void UringFaults::mirror_flags() {
  unsigned flags = load(real_.sq_flags);
  if (room() == 0 && !held_.empty()) flags |= IORING_SQ_CQ_OVERFLOW;
  store(shadow_.sq_flags, flags);
}

// --- Submissions

void UringFaults::take_submissions(unsigned count) {
  const unsigned mask = parameters_.sq_entries - 1;
  unsigned head = *shadow_.sq_head;
  for (; count != 0; --count, ++head) {
    const unsigned index =
        shadow_.sq_array == nullptr ? head & mask : shadow_.sq_array[head & mask];
    submit(shadow_.sqes[index]);
  }
  store(shadow_.sq_head, head);
}

void UringFaults::submit(const io_uring_sqe& entry) {
  const UringOperation operation = operation_of(entry);
  std::optional<int> result = can_fail(entry) ? plan_.verdict(operation) : std::nullopt;
  if (operation == UringOperation::kPoll && !result && plan_.is_spuriously_ready()) {
    result = static_cast<int>(entry.poll32_events & (POLLIN | POLLOUT));
  }
  if (result) ++plan_.counts().failed_operations;
  Live live = {operation, {}, (entry.flags & IOSQE_CQE_SKIP_SUCCESS) != 0};
  if (result && operation != UringOperation::kClose) {
    return hold(entry.user_data, *result, 0, live);
  }
  if (operation == UringOperation::kCancel && plan_.loses_cancel()) {
    ++plan_.counts().lost_cancels;
    result = (entry.cancel_flags & IORING_ASYNC_CANCEL_ALL) != 0 ? -ENOENT : -EALREADY;
  }
  live.result = result;
  live_[entry.user_data] = live;
  if (live.is_tried) tried_.push_back(entry.user_data);
  io_uring_sqe& real = next_real_entry();
  real = entry;
  cut(real, operation);
}

io_uring_sqe& UringFaults::next_real_entry() {
  const unsigned tail = *real_.sq_tail;
  EDDY_INVARIANT(tail - load(real_.sq_head) < parameters_.sq_entries,
                 "more submissions than entries");
  store(real_.sq_tail, tail + 1);
  return real_.sqes[tail & (parameters_.sq_entries - 1)];
}

void UringFaults::cut(io_uring_sqe& entry, UringOperation operation) {
  if (operation != UringOperation::kSend && operation != UringOperation::kReceive) return;
  const auto* message = reinterpret_cast<const msghdr*>(is_gathered(entry) ? entry.addr : 0);
  const size_t size =
      message == nullptr ? entry.len : size_of_pieces(message->msg_iov, message->msg_iovlen);
  // A receive of length 0 takes as much as its buffer has room for.
  const auto asked =
      static_cast<uint32_t>(size == 0 ? UINT32_MAX : std::min<size_t>(size, UINT32_MAX));
  const uint32_t most = plan_.limit(operation, asked);
  if (most == asked || entry.opcode == IORING_OP_RECVMSG) return;
  ++plan_.counts().shortened_operations;
  entry.flags &= static_cast<uint8_t>(~IOSQE_CQE_SKIP_SUCCESS);  // a part is no success
  if (message == nullptr) {
    entry.len = most;
    return;
  }
  CutMessage& shorter =
      cut_.emplace_back(*message, first_of_pieces(message->msg_iov, message->msg_iovlen, most));
  shorter.header.msg_iov = shorter.pieces.data();
  shorter.header.msg_iovlen = shorter.pieces.size();
  entry.addr = reinterpret_cast<uintptr_t>(&shorter.header);
}

// --- Completions

unsigned UringFaults::room() const {
  return parameters_.cq_entries - (load(shadow_.cq_tail) - load(shadow_.cq_head));
}

void UringFaults::collect() {
  unsigned head = *real_.cq_head;
  for (; head != load(real_.cq_tail); ++head) {
    admit(real_.cqes[head & (parameters_.cq_entries - 1)]);
    store(real_.cq_head, head + 1);
  }
}

void UringFaults::admit(const io_uring_cqe& completion) {
  if (completion.user_data == kOwnCancel) return;
  const auto found = live_.find(completion.user_data);
  const Live live = found == live_.end() ? Live{UringOperation::kOther, {}, false} : found->second;
  hold(completion.user_data, live.result.value_or(completion.res), completion.flags, live);
  if ((completion.flags & IORING_CQE_F_MORE) == 0) {
    live_.erase(completion.user_data);
  } else if (is_ended_early(live.operation) && plan_.ends_multishot(live.operation)) {
    to_end_.push_back(completion.user_data);
  }
}

void UringFaults::forget_tried() {
  if ((load(real_.sq_flags) & IORING_SQ_CQ_OVERFLOW) != 0) return;
  for (const uint64_t user_data : tried_) live_.erase(user_data);
  tried_.clear();
}

void UringFaults::hold(uint64_t user_data, int result, uint32_t flags, const Live& live) {
  const unsigned delay = live.is_tried ? 0 : plan_.delay_of(live.operation);
  const bool late = !live.is_tried && plan_.is_late();
  if (delay != 0) ++plan_.counts().delayed_completions;
  if (late) ++plan_.counts().reordered_completions;
  held_.push_back({user_data, result, flags, enters_ + delay, late});
}

void UringFaults::end_multishots() {
  while (!to_end_.empty()) {
    const uint64_t user_data = to_end_.back();
    to_end_.pop_back();
    if (live_.contains(user_data)) end_multishot(user_data);
  }
}

// Cancels the real operation at once and lets its last completion with something to say be the end.
// Nothing has been delivered since the completion that is to be the end, so it, or a later one, is
// still held.
void UringFaults::end_multishot(uint64_t user_data) {
  io_uring_sqe& cancel = next_real_entry();
  cancel = {};
  cancel.opcode = IORING_OP_ASYNC_CANCEL;
  cancel.fd = -1;
  cancel.addr = user_data;
  cancel.user_data = kOwnCancel;
  for (int i = 0; i < kMostAttempts && live_.contains(user_data); ++i) {
    inner_.uring_enter(fd_, unsubmitted(), 0, IORING_ENTER_GETEVENTS, nullptr,
                       uring::kSignalSetBytes);
    collect();
  }
  EDDY_INVARIANT(!live_.contains(user_data), "a cancelled operation does not end");
  const auto is_its = [user_data](const Held& held) { return held.user_data == user_data; };
  const auto last = std::find_if(held_.rbegin(), held_.rend(), is_its);
  if (last->result != -ECANCELED) return;  // it has ended by itself, and has told why
  std::find_if(std::next(last), held_.rend(), is_its)->flags &= ~uint32_t{IORING_CQE_F_MORE};
  held_.erase(std::next(last).base());
  ++plan_.counts().ended_multishots;
}

unsigned UringFaults::deliver() {
  unsigned delivered = deliver_pass();
  for (Held& held : held_) {
    if (held.due <= enters_) held.late = false;
  }
  delivered += deliver_pass();
  if (room() != 0) return delivered;
  for (const Held& held : held_) plan_.counts().held_by_overflow += held.due <= enters_ ? 1 : 0;
  return delivered;
}

// What is due, but behind one that stays: of the same operation, or with a buffer as well.
unsigned UringFaults::deliver_pass() {
  std::vector<uint64_t> waiting;
  bool buffer_waits = false;
  unsigned delivered = 0;
  for (auto held = held_.begin(); held != held_.end();) {
    const bool stays = room() == 0 || held->late || held->due > enters_ ||
                       (buffer_waits && held->carries_buffer()) ||
                       std::find(waiting.begin(), waiting.end(), held->user_data) != waiting.end();
    if (stays) {
      waiting.push_back(held->user_data);
      buffer_waits = buffer_waits || held->carries_buffer();
      ++held;
      continue;
    }
    const unsigned tail = *shadow_.cq_tail;
    io_uring_cqe& entry = shadow_.cqes[tail & (parameters_.cq_entries - 1)];
    entry.user_data = held->user_data;
    entry.res = held->result;
    entry.flags = held->flags;
    store(shadow_.cq_tail, tail + 1);
    held = held_.erase(held);
    ++delivered;
  }
  return delivered;
}

}  // namespace eddy
