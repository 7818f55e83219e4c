// Work that blocks, done by a bounded number of threads, with its answer back on the loop.
//
// What it is: `run(work, done)` has `work()` called on a thread of the pool's, and `done(its
// result)` on the reactor's, by a later turn. Whatever has no non-blocking form belongs here: a
// look-up of a name, a file, a computation that would hold up the loop.
//
//   WorkPool pool(reactor, {.threads = 2});
//   auto id = pool.run([path] { return read_all(path); },
//                      [](std::string text) { … });
//
// Bounds: at most `threads` pieces of work run at once, and `queue` wait, in the order in which
// they came. What would pass that is refused at once with Errc::kOverLimit, and counted.
//
// Ownership: `work` and `done` may be move-only. `done` is destroyed on the reactor's thread; so is
// `work`, unless it was under way when it was cancelled, or when its pool or reactor went: then by
// its own thread, when it returns. Work cannot be interrupted. So what it refers to has to live
// until it returns, and is best captured by value. The pool keeps `Reactor::run` from returning
// while an answer is to come.
//
// Destruction: of the pool, at any time on the reactor's thread, also within a `done`; or after its
// reactor. What waits is dropped, what runs runs on, nothing is called back. Threads that idle end
// after some seconds; the end of the process waits for work that is under way.
//
// Threads: `work` runs on another, everything else belongs to the reactor's. Work that throws ends
// the program.
#pragma once

#include <eddy/core/error.h>
#include <stddef.h>
#include <stdint.h>

#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace eddy {

class Reactor;

struct WorkPoolOptions {
  size_t threads = 4;    // at least 1
  size_t queue = 1'024;  // pieces of work that wait for a thread
};

struct WorkPoolStats {
  size_t queued = 0;
  size_t running = 0;      // those that were cancelled while they ran included
  uint64_t answered = 0;   // `done` was called
  uint64_t cancelled = 0;  // by `cancel`
  uint64_t refused = 0;    // for want of room or of a thread
};

// Names work that was given to a pool; stale once it has been answered or cancelled.
struct WorkId {
  uint64_t number = 0;  // 0: none

  explicit operator bool() const noexcept { return number != 0; }
  bool operator==(const WorkId&) const = default;
};

class WorkPool {
 public:
  explicit WorkPool(Reactor& reactor, const WorkPoolOptions& options = {});
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // Errors: Errc::kOverLimit where the queue is full, EAGAIN where the system gives no thread,
  // ENOMEM, and what made the reactor's set-up fail. Then neither is called.
  template <typename Work, typename Done>
  Result<WorkId> run(Work&& work, Done&& done) {
    using Given = ItemOf<std::decay_t<Work>, std::decay_t<Done>>;
    try {
      return enqueue(std::make_shared<Given>(std::forward<Work>(work), std::forward<Done>(done)));
    } catch (const std::bad_alloc&) {
      return enqueue(nullptr);
    }
  }

  // `done` will not be called. What waits is dropped; what runs runs on, and its result goes
  // nowhere. False: the id is stale.
  bool cancel(WorkId id);

  WorkPoolStats stats() const;
  // Null once it has been destroyed.
  Reactor* reactor() const;

 private:
  class Core;
  class Anchor;

  class Item {
   public:
    virtual ~Item() = default;
    virtual void work() noexcept = 0;    // on a thread of the pool's
    virtual void answer() = 0;           // on the reactor's, and so is
    virtual void forget() noexcept = 0;  // destroys `done`
    bool cancelled = false;              // guarded by the Core's mutex
  };

  template <typename Work, typename Done>
  class ItemOf final : public Item {
    using Returned = std::invoke_result_t<Work&>;
    static constexpr bool kAnswers = !std::is_void_v<Returned>;
    using Answer = std::conditional_t<kAnswers, Returned, std::monostate>;

   public:
    template <typename W, typename D>
    ItemOf(W&& work, D&& done) : work_(std::forward<W>(work)), done_(std::forward<D>(done)) {}

    void work() noexcept override {
      if constexpr (kAnswers) {
        answer_.emplace(work_());
      } else {
        work_();
      }
    }
    void answer() override {
      if constexpr (kAnswers) {
        (*done_)(std::move(*answer_));
      } else {
        (*done_)();
      }
    }
    void forget() noexcept override { done_.reset(); }

   private:
    Work work_;
    std::optional<Done> done_;
    std::optional<Answer> answer_;
  };

  Result<WorkId> enqueue(std::shared_ptr<Item> item);

  std::shared_ptr<Core> core_;  // null: there was no memory for it
  std::optional<Error> error_;  // of the set-up
};

}  // namespace eddy
