// The hand-off of callables from any thread to a loop's thread; what stands behind Reactor::post.
//
// What it is: a lock-free queue of many producers and one consumer, and the protocol by which the
// consumer goes to sleep without missing anything. A producer wakes the consumer only where it
// sleeps, once per sleep; posts to a loop that is awake make no system call.
//
// Order: what one thread posts runs in the order of its posts; so does what happens before by other
// means.
//
// Memory: a callable of at most kInlineBytes is moved into a block that its thread fills from front
// to back and that is freed when the last callable in it has run: one allocation for some hundred
// posts. A larger one takes an allocation of its own. Nothing is kept for reuse, except for the one
// block a thread which posts is filling (8 KiB).
//
// Threads: post() from any thread; everything else from the loop's thread alone. The mailbox
// outlives every call of post(): one that begins after the destructor is the caller's bug. A post
// whose callable has been run is over in this sense, so that a posted callable may be what ends the
// loop and its mailbox.
//
// A signal handler must not call post(), which may allocate: see core/notifier.h.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <atomic>
#include <concepts>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace eddy {

// How a mailbox wakes its loop: by writing to the loop's eventfd. Called from any thread and from
// signal handlers, so it does what signal-safety(7) allows. Once it has been called, the wait that
// follows or is under way returns.
class Waker {
 public:
  virtual void wake() noexcept = 0;

 protected:
  ~Waker() = default;
};

// An entry of a mailbox, at the front of what it carries. For Mailbox and Notifier.
struct MailboxNode {
  enum class Verb { kRun, kDiscard };

  MailboxNode* next = nullptr;
  // Runs what the node carries and destroys it, or destroys it only.
  void (*act)(MailboxNode& node, Verb verb) noexcept = nullptr;
  struct MailboxBlock* block = nullptr;  // where the node's memory comes from, if from a block
};

class Mailbox {
 public:
  static constexpr size_t kInlineBytes = 256;

  // The waker must outlive the mailbox.
  explicit Mailbox(Waker& waker) noexcept : waker_(waker) {}
  ~Mailbox() { discard(); }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // Has `callable()` run once by a later drain(). Any move-only callable will do; a result is
  // dropped. Any thread. False: the mailbox is closed or there is no memory, and the callable will
  // not run.
  template <typename F>
    requires std::invocable<std::decay_t<F>>
  bool post(F&& callable) noexcept;

  // Runs what had been posted when the call began, and returns how many that were. What these
  // callables post is left for the next drain. Not from within a callable.
  size_t drain() noexcept;

  // To be called before a wait that may sleep. True: from now on a post wakes the loop. False:
  // something is there to be drained, so the wait must not sleep.
  bool prepare_sleep() noexcept;

  // To be called after that wait, whatever ended it, and before callbacks: posts wake no more. A
  // wake() that was on its way may still come after this, and then ends the next wait early: a loop
  // may reset its eventfd at any time between woken() and the next prepare_sleep(), or right before
  // woken().
  void woken() noexcept;

  // From now on post() returns false. What is in the mailbox stays there for drain(). When this
  // returns, no wake() is under way, and none will follow.
  void close() noexcept;

  // Closes, destroys what is in the mailbox without running it, and returns how many that were.
  size_t discard() noexcept;

 private:
  friend class Notifier;

  template <typename F>
  struct Posted;

  static MailboxNode* allocate(size_t bytes) noexcept;  // nullptr: no memory
  static void abandon(MailboxNode& node) noexcept;
  bool push(MailboxNode& node) noexcept;
  bool push_and_wake(MailboxNode& node, MailboxNode*& head) noexcept;
  MailboxNode* take() noexcept;
  static size_t act_on_all(MailboxNode* node, MailboxNode::Verb verb) noexcept;

  // The queue, newest first, or what it is in place of one: nullptr (empty, the loop awake),
  // kAsleep (empty, the loop asleep or about to be), kClosed. See the note in mailbox.cpp.
  alignas(64) std::atomic<MailboxNode*> head_{nullptr};
  alignas(64) Waker& waker_;
  std::atomic<uint32_t> wakes_under_way_{0};
  MailboxNode* left_at_close_ = nullptr;  // oldest first
};

template <typename F>
struct Mailbox::Posted : MailboxNode {
  F callable;

  template <typename G>
  Posted(MailboxBlock* from, G&& source) : callable(std::forward<G>(source)) {
    block = from;
    act = [](MailboxNode& node, Verb verb) noexcept {
      auto& self = static_cast<Posted&>(node);
      if (verb == Verb::kRun) static_cast<void>(std::move(self.callable)());
      self.~Posted();
    };
  }
};

template <typename F>
  requires std::invocable<std::decay_t<F>>
bool Mailbox::post(F&& callable) noexcept {
  using Callable = std::decay_t<F>;
  if constexpr (sizeof(Callable) > kInlineBytes || alignof(Callable) > alignof(MailboxNode)) {
    std::unique_ptr<Callable> boxed(new (std::nothrow) Callable(std::forward<F>(callable)));
    return boxed && post([boxed = std::move(boxed)] { static_cast<void>(std::move(*boxed)()); });
  } else {
    MailboxNode* place = allocate(sizeof(Posted<Callable>));
    if (place == nullptr) return false;
    auto* node = new (place) Posted<Callable>(place->block, std::forward<F>(callable));
    if (push(*node)) return true;
    abandon(*node);
    return false;
  }
}

}  // namespace eddy
