// Many cores: reactors in threads of their own.
//
// What it is: a number of threads, each of which makes, runs and destroys a Reactor. What each of
// them does is said by set-ups, functions that are called in every thread before its reactor runs;
// what a set-up returns is kept as long as that reactor, and destroyed in its thread.
//
//   eddy::ReactorPool pool;  // one for each CPU
//   pool.set_up([](eddy::Reactor& reactor, unsigned index) {
//     return std::make_unique<Session>(reactor, index);
//   });
//   return pool.run();
//
// A server on all of them is a PoolServer (net/pool_server.h).
//
// The end: a reactor of the pool ends as `Reactor::run` does, when nothing is left that could
// happen, and its thread with it (`Reactor::ref` keeps one that only waits for posts). `stop` ends
// all of them. So does the first failure, wherever it happens: of making a thread or a reactor, of
// a set-up, of a loop, or one that is handed to `fail`. It is the pool's result, and says in which
// reactor it was.
//
// Threads: `post`, `stop`, `fail` and `size` from any thread, in which the pool is known to be
// there; `stop` from a signal handler too. Everything else from the thread that made the pool.
//
// On a kernel without threads (`Kernel::create_thread`: a simulated one), all reactors are made by
// `start` in the calling thread, and their turns are driven together.
#pragma once

#include <eddy/core/reactor.h>

#include <atomic>
#include <concepts>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace eddy {

struct ReactorPoolOptions {
  unsigned reactors = 0;  // 0: one for each CPU that this process may use (sched_getaffinity(2))
  // Each thread stays on one of these CPUs, in their order, and in turn where there are more
  // threads.
  bool pinned = false;
  ReactorOptions reactor{};
};

class ReactorPool {
 public:
  explicit ReactorPool(const ReactorPoolOptions& options = {});
  explicit ReactorPool(Kernel& kernel, const ReactorPoolOptions& options = {});
  // Stops what still runs, and waits for it.
  ~ReactorPool();
  ReactorPool(const ReactorPool&) = delete;
  ReactorPool& operator=(const ReactorPool&) = delete;

  size_t size() const;
  Kernel& kernel() const;

  // To be called in each thread, in the order of these calls: `set_up(reactor, index)`, at the same
  // time in several, so what they share must bear that. It returns nothing, any object that can be
  // moved, or a Result of either, whose Error ends the pool. What the set-ups returned is destroyed
  // before the reactor, the last first. Before `start`.
  template <typename SetUp>
    requires std::invocable<SetUp&, Reactor&, unsigned>
  void set_up(SetUp set_up);

  // Called once, when every reactor has ended, in the thread of the last: for a thread that waits
  // for something else than `join`. Before `start`.
  void on_end(std::function<void()> callback);

  // Makes the threads and returns once every one of them has been set up, or with the failure that
  // ended them all. Once.
  Result<void> start();
  // Waits until every reactor has ended. The failure, if there was one; else nothing.
  Result<void> join();
  // start and join: 0, or 1 after printing the failure.
  int run();

  void stop();
  // Ends the pool with this error, if it is the first, and says that it was in that reactor.
  void fail(unsigned index, const Error& error);

  // Has `work()` or `work(reactor)` run in that reactor's thread. If the reactor ends before its
  // turn comes, work is destroyed there without having run. False, and it is destroyed here: the
  // reactor has ended, there is none of that index, or there is no memory.
  template <typename F>
  bool post(unsigned index, F&& work) noexcept {
    return with_reactor(index, [&](Reactor& reactor) {
      if constexpr (std::invocable<std::decay_t<F>&, Reactor&>) {
        return reactor.post([&reactor, work = std::forward<F>(work)]() mutable { work(reactor); });
      } else {
        return reactor.post(std::forward<F>(work));
      }
    });
  }
  // Has a copy of `work` run in each: `work(index)`. In how many.
  template <typename F>
    requires std::invocable<F&, unsigned>
  size_t post_all(const F& work) {
    size_t posted = 0;
    for (unsigned i = 0; i < size(); ++i) posted += post(i, [work, i]() mutable { work(i); });
    return posted;
  }

 private:
  struct Worker;
  struct Shared;
  // What a set-up returned.
  struct Kept {
    virtual ~Kept() = default;
  };
  using SetUpCall = std::function<Result<std::unique_ptr<Kept>>(Reactor&, unsigned)>;
  template <typename T>
  struct KeptObject final : Kept {
    explicit KeptObject(T&& moved) : object(std::move(moved)) {}
    T object;
  };
  template <typename T>
  static Result<std::unique_ptr<Kept>> keep(T&& result);

  // The reactor of that index for the time of a call, if it is there.
  class Access {
   public:
    Access(const ReactorPool& pool, unsigned index);
    ~Access();
    Access(const Access&) = delete;
    Access& operator=(const Access&) = delete;
    Reactor* reactor = nullptr;

   private:
    Worker* const worker_;  // null: there is none of that index
  };
  template <typename Use>
  bool with_reactor(unsigned index, Use&& use) noexcept {
    const Access access(*this, index);
    return access.reactor != nullptr && use(*access.reactor);
  }
  void add_set_up(SetUpCall set_up);

  const std::unique_ptr<Shared> shared_;
};

template <typename T>
Result<std::unique_ptr<ReactorPool::Kept>> ReactorPool::keep(T&& result) {
  return std::make_unique<KeptObject<T>>(std::forward<T>(result));
}

template <typename SetUp>
  requires std::invocable<SetUp&, Reactor&, unsigned>
void ReactorPool::set_up(SetUp set_up) {
  using Returned = std::invoke_result_t<SetUp&, Reactor&, unsigned>;
  // In a shared_ptr, since a std::function wants to be copied.
  auto shared = std::make_shared<SetUp>(std::move(set_up));
  add_set_up([shared](Reactor& reactor, unsigned index) -> Result<std::unique_ptr<Kept>> {
    if constexpr (std::is_void_v<Returned>) {
      (*shared)(reactor, index);
      return nullptr;
    } else if constexpr (requires(Returned& returned) { returned.error().call(); }) {
      Returned returned = (*shared)(reactor, index);
      if (!returned) return std::unexpected(returned.error());
      if constexpr (std::is_void_v<typename Returned::value_type>) {
        return nullptr;
      } else {
        return keep(std::move(*returned));
      }
    } else {
      return keep((*shared)(reactor, index));
    }
  });
}

}  // namespace eddy
