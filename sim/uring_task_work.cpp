// The life of an operation between its submission and its last completion.
#include <eddy/core/uring_abi.h>
#include <eddy/sim/network.h>
#include <eddy/sim/uring.h>

#include <algorithm>

#include <eddy/sim/checksum.h>

namespace eddy::sim {
namespace {

using Stage = UringRequest::Stage;
using Place = UringRequest::Place;

// As often as Linux tries at once what blocks although its file is ready (APOLL_MAX_RETRY).
constexpr uint32_t kMostAttempts = 128;
constexpr int64_t kRetryNs = 10'000;
// The longest a notification is late: less than a reactor's end waits, which leaves the memory to
// the kernel after that, as a leak that is meant.
constexpr int64_t kLatestNotificationNs = 900'000'000;

}  // namespace

// io_poll_wake: what a waker says is compared, POLLPRI apart; urgent data wake whoever reads, too
// (sock_def_readable).
void UringRequest::on_wake(uint32_t events) {
  if ((events & POLLPRI) != 0) events |= POLLIN | POLLRDNORM | POLLRDBAND;
  if (events != 0 && (events & interest & ~uint32_t{POLLPRI}) == 0) return;
  if (stage != Stage::kRunning || place != Place::kNowhere) return;
  woken = true;
  attempts = 0;
  Simulation& simulation = ring.simulation_;
  if (simulation.strikes(Fault::kCompletionLate, ring.host_)) {
    return ring.make_late(*this, simulation.tape.between(1'000, 5'000'000));
  }
  ring.make_due(*this);
}

// --- Being

UringRequest& Uring::take_request() {
  if (free_.empty()) free_.push_back(&requests_.emplace_back(*this));
  UringRequest& request = *free_.back();
  free_.pop_back();
  live_.push_back(request);
  return request;
}

void Uring::release(UringRequest& request) {
  live_.remove(request);
  request.target.reset();
  request.stage = Stage::kRunning;
  request.multishot = request.fails_when_blocked = request.woken = false;
  request.connecting = request.was_copied = false;
  request.has_received = request.got_nothing = false;
  request.interest = request.attempts = 0;
  request.done = 0;
  ++request.serial;
  free_.push_back(&request);
}

void Uring::start(UringRequest& request) {
  const bool polls_first =
      (request.entry.opcode == IORING_OP_RECV || request.entry.opcode == IORING_OP_RECVMSG) &&
      (request.entry.ioprio & IORING_RECVSEND_POLL_FIRST) != 0;
  settle(request, polls_first ? blocked() : attempt(request));
}

void Uring::settle(UringRequest& request, const Outcome& outcome) {
  switch (outcome.kind) {
    case Outcome::Kind::kDone:
      return finish(request, outcome.result, outcome.flags, outcome.failed);
    case Outcome::Kind::kAgain: return make_due(request);
    case Outcome::Kind::kBlocked: break;
  }
  if (!request.fails_when_blocked) return arm(request);
  finish(request, request.done != 0 ? static_cast<int>(request.done) : -EAGAIN, 0, true);
}

void Uring::arm(UringRequest& request) {
  if (!request.waits()) request.target->add(request);
  if ((request.target->readiness() & request.interest) == 0) return;
  if (++request.attempts < kMostAttempts) return make_due(request);
  make_late(request, kRetryNs);
}

// --- Task work

void Uring::make_due(UringRequest& request) {
  request.place = Place::kDue;
  due_.push_back(request);
  // io_req_local_work_add tells an eventfd of the first.
  if (due_.size() == 1) signal();
}

void Uring::make_late(UringRequest& request, int64_t delay_ns) {
  request.place = Place::kLate;
  request.due_ns = simulation_.now_ns() + delay_ns;
  late_.push_back(request);
  simulation_.after(delay_ns, [ring = weak_from_this()] {
    if (const FileRef file = ring.lock()) static_cast<Uring&>(*file).release_due();
  });
}

void Uring::release_due() {
  for (UringRequest* request = late_.first(); request != nullptr;) {
    UringRequest& late = *request;
    request = late_.next(late);
    if (late.due_ns > simulation_.now_ns()) continue;
    late_.remove(late);
    make_due(late);
  }
}

void Uring::unqueue(UringRequest& request) {
  if (request.place == Place::kDue) due_.remove(request);
  if (request.place == Place::kLate) late_.remove(request);
  request.place = Place::kNowhere;
}

void Uring::run_task_work(unsigned most) {
  if (due_.empty()) return;
  const bool reorders = due_.size() > 1 && simulation_.strikes(Fault::kCompletionsReordered, host_);
  for (; most != 0 && !due_.empty(); --most) {
    UringRequest& request = reorders ? *due_.at(simulation_.tape.draw(due_.size())) : *due_.first();
    unqueue(request);
    run(request);
  }
}

void Uring::run(UringRequest& request) {
  if (request.stage == Stage::kNotifying) return notify(request);
  if (request.stage == Stage::kCancelled) {
    return finish(request, request.done != 0 ? static_cast<int>(request.done) : -ECANCELED, 0,
                  true);
  }
  const bool was_woken = std::exchange(request.woken, false);
  // A wake-up with nothing behind it: it goes on waiting.
  if (was_woken && (request.target->readiness() & request.interest) == 0) return;
  settle(request, attempt(request));
}

// --- Completing

void Uring::finish(UringRequest& request, int result, uint32_t flags, bool failed) {
  request.leave();
  if (request.is_zero_copy()) {
    post(request, result, flags | IORING_CQE_F_MORE);
    return start_notification(request, result > 0);
  }
  if (failed || !request.has_flag(IOSQE_CQE_SKIP_SUCCESS)) post(request, result, flags);
  release(request);
}

bool Uring::post_more(UringRequest& request, int result, uint32_t flags) {
  if (!completions_.has_room() || simulation_.strikes(Fault::kMultishotEnds, host_)) return false;
  post(request, result, flags | IORING_CQE_F_MORE);
  return true;
}

void Uring::post(const UringRequest& request, int result, uint32_t flags) {
  simulation_.note(host_, "uring done",
                   {request.entry.opcode, request.entry.fd, result, static_cast<int64_t>(flags)});
  completions_.post({request.entry.user_data, result, flags});
  if (!completions_.overflows()) signal();
}

// Whoever waits for the ring or its eventfd.
void Uring::signal() {
  wake(POLLIN | POLLRDNORM);
  if (eventfd_ == nullptr) return;
  uint64_t one = 1;
  const iovec piece = {&one, sizeof one};
  eventfd_->write(&piece, 1);
}

// --- Zero copy

// The kernel has let go of the bytes once they have been acknowledged; at once if there were none.
void Uring::start_notification(UringRequest& request, bool sent) {
  request.stage = Stage::kNotifying;
  if (!sent) return make_due(request);
  request.was_copied = simulation_.strikes(Fault::kZeroCopyCopied, host_);
  const int64_t latency_ns = simulation_.network->default_latency_ns;
  const bool late = simulation_.strikes(Fault::kZeroCopyLate, host_);
  make_late(request, late ? simulation_.tape.between(10'000'000, kLatestNotificationNs)
                          : simulation_.tape.between(2 * latency_ns, 4 * latency_ns));
}

void Uring::notify(UringRequest& request) {
  if (checksum_of(request.pieces) != request.checksum) {
    simulation_.violation("bytes of a zero-copy send were changed before its notification");
  }
  const bool reports = (request.entry.ioprio & uring::kZeroCopyReportsUse) != 0;
  const bool copied = reports && request.was_copied;
  post(request, copied ? static_cast<int>(uring::kNotificationCopied) : 0,
       uring::kCompletionNotification);
  release(request);
}

}  // namespace eddy::sim
