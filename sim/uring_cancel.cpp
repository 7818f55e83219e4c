// IORING_OP_ASYNC_CANCEL.
#include <eddy/sim/uring.h>

namespace eddy::sim {

// By user_data the first is cancelled, or all; by descriptor whatever uses the same open file, be
// it by another descriptor (io_uring_prep_cancel(3)).
Uring::Outcome Uring::cancel(UringRequest& request) {
  const uint32_t flags = request.entry.cancel_flags;
  const bool by_file = (flags & IORING_ASYNC_CANCEL_FD) != 0;
  const bool any = (flags & IORING_ASYNC_CANCEL_ANY) != 0;
  const bool all = any || (flags & IORING_ASYNC_CANCEL_ALL) != 0;
  const bool targets_first = simulation_.strikes(Fault::kCancelOrder, host_);
  int found = 0;
  for (UringRequest* target = live_.first(); target != nullptr;) {
    UringRequest& candidate = *target;
    target = live_.next(candidate);
    const bool matches = candidate.target != nullptr && &candidate != &request &&
                         candidate.stage != UringRequest::Stage::kNotifying &&
                         (by_file ? candidate.target == request.target
                                  : any || candidate.entry.user_data == request.entry.addr);
    if (!matches || !cancel_one(candidate, targets_first)) continue;
    ++found;
    if (!all) break;
  }
  return all ? done(found) : done(found != 0 ? 0 : -ENOENT);
}

// False if it completed before it could be cancelled.
bool Uring::cancel_one(UringRequest& target, bool targets_first) {
  if (!target.is_running()) return true;
  const bool could_complete = (target.target->readiness() & target.interest) != 0;
  if (could_complete && simulation_.strikes(Fault::kCancelLost, host_)) {
    const uint32_t serial = target.serial;
    unqueue(target);
    settle(target, attempt(target));
    // A zero-copy send that is over lives on until its notification.
    if (target.serial != serial || target.stage == UringRequest::Stage::kNotifying) return false;
  }
  unqueue(target);
  target.stage = UringRequest::Stage::kCancelled;
  if (targets_first) {
    run(target);
  } else {
    make_due(target);
  }
  return true;
}

}  // namespace eddy::sim
