// Set-up, memory and the end.
#include <eddy/core/uring_abi.h>
#include <eddy/sim/uring.h>
#include <string.h>

#include <algorithm>
#include <bit>

namespace eddy::sim {
namespace {

constexpr uint32_t kNeededFlags =
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL;
constexpr uint32_t kKnownSetupFlags = kNeededFlags | IORING_SETUP_R_DISABLED | IORING_SETUP_CLAMP |
                                      IORING_SETUP_CQSIZE | uring::kSetupNoSqArray;
constexpr uint32_t kFeatures = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP |
                               IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_RW_CUR_POS |
                               IORING_FEAT_FAST_POLL | IORING_FEAT_POLL_32BITS |
                               IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP;
constexpr int kForbidden[] = {-EPERM, -ENOSYS};
constexpr size_t kPageBytes = 4096;

size_t whole_pages(size_t size) { return (size + kPageBytes - 1) & ~(kPageBytes - 1); }

}  // namespace

FileRef Uring::open(HostKernel& host, unsigned entries, io_uring_params& parameters, int& error) {
  Simulation& simulation = host.simulation();
  if (simulation.strikes(Fault::kUringForbidden, host)) {
    error = simulation.tape.any_of<int>(kForbidden);
  } else if (simulation.strikes(Fault::kNoMemory, host)) {
    error = -ENOMEM;
  } else {
    error = check(entries, host.uring_limits, parameters);
  }
  if (error != 0) return nullptr;
  const auto ring = std::make_shared<Uring>(host, parameters);
  ring->lay_out(parameters);
  simulation.note(host, "uring open", {parameters.sq_entries, parameters.cq_entries});
  return ring;
}

std::shared_ptr<Uring> Uring::find(HostKernel& host, int fd, unsigned flags) {
  if ((flags & IORING_ENTER_REGISTERED_RING) == 0) {
    return std::dynamic_pointer_cast<Uring>(host.file(fd));
  }
  const auto place = static_cast<size_t>(fd);
  if (place >= host.registered_rings.size() || host.registered_rings[place] == nullptr) {
    return nullptr;
  }
  Uring& ring = *host.registered_rings[place];
  return std::static_pointer_cast<Uring>(ring.shared_from_this());
}

// Also the sizes: powers of two, within the limits.
int Uring::check(unsigned entries, const UringLimits& limits, io_uring_params& parameters) {
  const uint32_t flags = parameters.flags;
  const bool clamps = (flags & IORING_SETUP_CLAMP) != 0;
  if ((flags & ~kKnownSetupFlags) != 0 || (flags & kNeededFlags) != kNeededFlags) return -EINVAL;
  if ((flags & uring::kSetupNoSqArray) != 0 && !limits.no_submission_array) return -EINVAL;
  if (entries == 0 || (entries > limits.most_entries && !clamps)) return -EINVAL;
  parameters.sq_entries = std::bit_ceil(std::min(entries, limits.most_entries));
  const unsigned most = std::max(limits.most_completion_entries, parameters.sq_entries);
  if ((flags & IORING_SETUP_CQSIZE) == 0) {
    parameters.cq_entries = std::min(2 * parameters.sq_entries, std::bit_ceil(most));
    return 0;
  }
  if (parameters.cq_entries == 0 || (parameters.cq_entries > most && !clamps)) return -EINVAL;
  parameters.cq_entries = std::bit_ceil(std::min(parameters.cq_entries, most));
  return parameters.cq_entries < parameters.sq_entries ? -EINVAL : 0;
}

Uring::Uring(HostKernel& host, const io_uring_params& parameters)
    : host_(host),
      simulation_(host.simulation()),
      limits_(host.uring_limits),
      enabled_((parameters.flags & IORING_SETUP_R_DISABLED) == 0),
      can_be_registered_(limits_.registered_rings && simulation_.tape.draw(2) == 0) {}

void Uring::lay_out(io_uring_params& parameters) {
  const bool has_array = (parameters.flags & uring::kSetupNoSqArray) == 0;
  const size_t completions_at = sizeof(UringWords);
  const size_t array_at = completions_at + parameters.cq_entries * sizeof(io_uring_cqe);
  const size_t size = array_at + (has_array ? parameters.sq_entries * sizeof(unsigned) : 0);
  memory_->rings.resize(whole_pages(size) / sizeof(Line));
  memory_->submissions.resize(parameters.sq_entries);
  char* memory = reinterpret_cast<char*>(memory_->rings.data());
  words_ = new (memory) UringWords{};
  words_->sq_entries = parameters.sq_entries;
  words_->sq_mask = parameters.sq_entries - 1;
  words_->cq_entries = parameters.cq_entries;
  words_->cq_mask = parameters.cq_entries - 1;
  completions_.open(*words_, reinterpret_cast<io_uring_cqe*>(memory + completions_at));
  if (has_array) array_ = reinterpret_cast<unsigned*>(memory + array_at);

  parameters.features = kFeatures | (limits_.min_wait ? uring::kFeatureMinTimeout : 0);
  parameters.sq_off = {};
  parameters.sq_off.head = offsetof(UringWords, sq_head);
  parameters.sq_off.tail = offsetof(UringWords, sq_tail);
  parameters.sq_off.ring_mask = offsetof(UringWords, sq_mask);
  parameters.sq_off.ring_entries = offsetof(UringWords, sq_entries);
  parameters.sq_off.flags = offsetof(UringWords, sq_flags);
  parameters.sq_off.dropped = offsetof(UringWords, sq_dropped);
  parameters.sq_off.array = has_array ? static_cast<uint32_t>(array_at) : 0;
  parameters.cq_off = {};
  parameters.cq_off.head = offsetof(UringWords, cq_head);
  parameters.cq_off.tail = offsetof(UringWords, cq_tail);
  parameters.cq_off.ring_mask = offsetof(UringWords, cq_mask);
  parameters.cq_off.ring_entries = offsetof(UringWords, cq_entries);
  parameters.cq_off.overflow = offsetof(UringWords, cq_overflow);
  parameters.cq_off.cqes = static_cast<uint32_t>(completions_at);
  parameters.cq_off.flags = offsetof(UringWords, cq_flags);
}

void* Uring::map(uint64_t offset, size_t size) {
  if (simulation_.strikes(Fault::kNoMemory, host_)) return nullptr;
  if (offset == IORING_OFF_SQES) {
    std::vector<io_uring_sqe>& entries = memory_->submissions;
    return size > whole_pages(entries.size() * sizeof(io_uring_sqe)) ? nullptr : entries.data();
  }
  if (offset != IORING_OFF_SQ_RING && offset != IORING_OFF_CQ_RING) return nullptr;
  return size > memory_->rings.size() * sizeof(Line) ? nullptr : memory_->rings.data();
}

Uring::~Uring() {
  std::ranges::replace(host_.registered_rings, this, nullptr);
  if (host_.has_died()) host_.keep_mapped(memory_);
  unsigned abandoned = 0;
  for (UringRequest* request = live_.first(); request != nullptr; request = live_.next(*request)) {
    if (request->stage == UringRequest::Stage::kNotifying) continue;  // may wait for a dead peer
    const bool only_listens = request->interest != 0 && (request->interest & POLLOUT) == 0;
    const bool is_ready = (request->target->readiness() & request->interest) != 0;
    abandoned += only_listens && !is_ready && request->is_running() ? 0 : 1;
  }
  simulation_.note(host_, "uring close", {static_cast<int64_t>(live_.size())});
  if (abandoned != 0 && !host_.has_died()) {
    simulation_.violation(host_.name() + " closed an io_uring with " + std::to_string(abandoned) +
                          " operations under way");
  }
}

}  // namespace eddy::sim
