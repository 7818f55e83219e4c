#include <eddy/core/notifier.h>

#include <errno.h>

#include <atomic>
#include <utility>

#include <eddy/core/mailbox.h>

namespace eddy {

// The node is in the mailbox exactly while `notifications` is not 0: who raises it from 0 pushes
// the node, who takes it back to 0 has just got the node out. The state is on the heap because a
// node cannot be taken out from the middle of the queue: it stays until it comes out after the
// Notifier has gone.
struct Notifier::State : MailboxNode {
  State(Mailbox& to, Callback what) : mailbox(to), callback(std::move(what)) { act = come_out; }

  static void come_out(MailboxNode& node, Verb verb) noexcept;
  bool in_mailbox() const noexcept { return notifications.load(std::memory_order_relaxed) != 0; }

  Mailbox& mailbox;
  Callback callback;
  std::atomic<uint64_t> notifications{0};
  bool detached = false;  // the Notifier has gone
  bool running = false;   // the callback is under way
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

void Notifier::State::come_out(MailboxNode& node, Verb verb) noexcept {
  auto* self = static_cast<State*>(&node);
  // Acquire: the callback sees what was written before a notify(), also one that pushed nothing.
  // Release: the next one to push writes the node's `next`, which the drain has read by now.
  const uint64_t count = self->notifications.exchange(0, std::memory_order_acq_rel);
  if (verb == Verb::kRun && !self->detached) {
    self->running = true;
    self->callback(count);
    self->running = false;
  }
  if (self->detached && !self->in_mailbox()) delete self;
}

void Notifier::Detach::operator()(State* state) const noexcept {
  state->detached = true;
  if (!state->running && !state->in_mailbox()) delete state;
}

Notifier::Notifier(Mailbox& mailbox, Callback callback)
    : state_(new State(mailbox, std::move(callback))) {}

void Notifier::notify() const noexcept {
  State& state = *state_;
  if (state.notifications.fetch_add(1, std::memory_order_acq_rel) != 0) return;
  const int errno_before = errno;
  if (!state.mailbox.push(state)) state.notifications.store(0, std::memory_order_relaxed);
  errno = errno_before;
}

}  // namespace eddy
