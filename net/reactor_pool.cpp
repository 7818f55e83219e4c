#include <eddy/core/check.h>
#include <eddy/core/kernel.h>
#include <eddy/core/linux_kernel.h>
#include <eddy/net/reactor_pool.h>
#include <errno.h>
#include <limits.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <thread>

namespace eddy {
namespace {

constexpr size_t kBitsPerWord = sizeof(unsigned long) * CHAR_BIT;

// Those that the calling thread may run on. The kernel refuses a mask that is shorter than its own,
// whose length it does not tell (sched_setaffinity(2), "Notes").
Result<std::vector<unsigned>> available_cpus(Kernel& kernel) {
  constexpr size_t kMostWords = 1024;
  for (size_t words = 16; words <= kMostWords; words *= 2) {
    std::vector<unsigned long> mask(words);
    const int written = kernel.get_affinity(mask.data(), words * sizeof mask[0]);
    if (written == -EINVAL) continue;
    if (written < 0) return failure(written, "sched_getaffinity");
    std::vector<unsigned> cpus;
    for (unsigned cpu = 0; cpu < static_cast<unsigned>(written) * CHAR_BIT; ++cpu) {
      if ((mask[cpu / kBitsPerWord] >> cpu % kBitsPerWord & 1) != 0) cpus.push_back(cpu);
    }
    return cpus;
  }
  return failure(-EINVAL, "sched_getaffinity");
}

Result<void> pin_to(Kernel& kernel, unsigned cpu) {
  std::vector<unsigned long> mask(cpu / kBitsPerWord + 1);
  mask.back() = 1UL << cpu % kBitsPerWord;
  const int failed = kernel.set_affinity(mask.data(), mask.size() * sizeof mask[0]);
  if (failed < 0) return failure(failed, "sched_setaffinity", "CPU " + std::to_string(cpu));
  return {};
}

Error in_reactor(unsigned index, const Error& error) {
  const std::string subject = error.subject().empty() ? "" : error.subject() + " ";
  return {error.code(), error.call(), subject + "in reactor " + std::to_string(index),
          error.advice()};
}

}  // namespace

struct ReactorPool::Shared {
  Kernel& kernel;
  const ReactorPoolOptions options;
  std::vector<unsigned> cpus;
  std::vector<SetUpCall> set_ups;
  std::vector<std::unique_ptr<Worker>> workers;
  bool started = false;
  bool has_threads = true;
  std::atomic<bool> stopping{false};

  std::function<void()> on_end;
  std::atomic<size_t> running{0};

  std::mutex mutex;
  std::condition_variable has_begun;
  size_t begun = 0;  // set up, or failed
  std::optional<Error> error;
};

// A thread and its reactor. Others see the reactor through `visible` alone, and count themselves in
// `visitors` meanwhile, so that it is not destroyed under them.
struct ReactorPool::Worker {
  Worker(ReactorPool& of_pool, unsigned its_index) : pool(of_pool), index(its_index) {}

  static void* main(void* self) {
    auto& worker = *static_cast<Worker*>(self);
    worker.begin();
    worker.run();
    worker.end();
    return nullptr;
  }

  void begin() {
    if (auto ready = make_and_set_up(); !ready) pool.fail(index, ready.error());
    Shared& shared = *pool.shared_;
    const std::lock_guard lock(shared.mutex);
    ++shared.begun;
    shared.has_begun.notify_one();
  }

  Result<void> make_and_set_up() {
    Shared& shared = *pool.shared_;
    try {
      if (shared.options.pinned) {
        auto pinned = pin_to(shared.kernel, shared.cpus[index % shared.cpus.size()]);
        if (!pinned) return pinned;
      }
      reactor.emplace(shared.kernel, shared.options.reactor);
      if (reactor->error()) return std::unexpected(*reactor->error());
      visible.store(&*reactor);
      kept.reserve(shared.set_ups.size());
      for (const SetUpCall& set_up : shared.set_ups) {
        auto result = set_up(*reactor, index);
        if (!result) return std::unexpected(result.error());
        kept.push_back(std::move(*result));
      }
    } catch (const std::bad_alloc&) {
      return failure(-ENOMEM, "ReactorPool::start");
    }
    return {};
  }

  void run() {
    // Who stops the pool sets this first, and then stops the reactors that it sees.
    if (!reactor || pool.shared_->stopping.load()) return;
    if (auto ended = reactor->run_to_end(); !ended) pool.fail(index, ended.error());
  }

  void end() {
    visible.store(nullptr);
    while (visitors.load() != 0) std::this_thread::yield();
    // What was posted too late may speak of what was set up here.
    if (reactor) reactor->mailbox().discard();
    while (!kept.empty()) kept.pop_back();
    reactor.reset();
    Shared& shared = *pool.shared_;
    if (shared.running.fetch_sub(1) == 1 && shared.on_end) shared.on_end();
  }

  ReactorPool& pool;
  const unsigned index;
  pthread_t thread{};
  bool has_thread = false;
  std::optional<Reactor> reactor;
  std::vector<std::unique_ptr<Kept>> kept;
  std::atomic<Reactor*> visible{nullptr};
  std::atomic<uint32_t> visitors{0};
};

ReactorPool::Access::Access(const ReactorPool& pool, unsigned index)
    : worker_(index < pool.size() ? pool.shared_->workers[index].get() : nullptr) {
  if (worker_ == nullptr) return;
  worker_->visitors.fetch_add(1);
  reactor = worker_->visible.load();
}

ReactorPool::Access::~Access() {
  if (worker_ != nullptr) worker_->visitors.fetch_sub(1);
}

ReactorPool::ReactorPool(const ReactorPoolOptions& options)
    : ReactorPool(linux_kernel(), options) {}

ReactorPool::ReactorPool(Kernel& kernel, const ReactorPoolOptions& options)
    : shared_(new Shared{.kernel = kernel, .options = options}) {
  unsigned count = options.reactors;
  if (auto cpus = available_cpus(kernel)) {
    shared_->cpus = std::move(*cpus);
    if (count == 0) count = static_cast<unsigned>(shared_->cpus.size());
  } else if (count == 0 || options.pinned) {
    shared_->error = cpus.error();
  }
  for (unsigned i = 0; i < count; ++i) {
    shared_->workers.push_back(std::make_unique<Worker>(*this, i));
  }
}

ReactorPool::~ReactorPool() {
  if (!shared_->started) return;
  stop();
  static_cast<void>(join());
}

size_t ReactorPool::size() const { return shared_->workers.size(); }

Kernel& ReactorPool::kernel() const { return shared_->kernel; }

void ReactorPool::add_set_up(SetUpCall set_up) {
  EDDY_REQUIRE(!shared_->started, "ReactorPool::set_up was called after start");
  shared_->set_ups.push_back(std::move(set_up));
}

void ReactorPool::on_end(std::function<void()> callback) {
  EDDY_REQUIRE(!shared_->started, "ReactorPool::on_end was called after start");
  shared_->on_end = std::move(callback);
}

Result<void> ReactorPool::start() {
  EDDY_REQUIRE_ALWAYS(!shared_->started, "a ReactorPool was started twice");
  if (shared_->error) return std::unexpected(*shared_->error);
  shared_->started = true;
  shared_->running = shared_->workers.size();
  size_t threads = 0;
  for (const auto& worker : shared_->workers) {
    const int failed = shared_->kernel.create_thread(&worker->thread, &Worker::main, worker.get());
    if (failed == -ENOSYS) {
      shared_->has_threads = false;
      worker->begin();
    } else if (failed < 0) {
      fail(worker->index, failure(failed, "pthread_create", {},
                                  "this process, its user or its control group has as many threads "
                                  "as it may (ulimit -u, pids.max)")
                              .error());
      break;
    } else {
      worker->has_thread = true;
    }
    ++threads;
  }
  std::unique_lock lock(shared_->mutex);
  shared_->has_begun.wait(lock, [&] { return shared_->begun == threads; });
  if (!shared_->error) return {};
  lock.unlock();
  return join();
}

Result<void> ReactorPool::join() {
  for (const auto& worker : shared_->workers) {
    if (std::exchange(worker->has_thread, false)) shared_->kernel.join_thread(worker->thread);
  }
  if (!shared_->has_threads) {
    for (const auto& worker : shared_->workers) worker->run();
    for (const auto& worker : shared_->workers) worker->end();
    shared_->has_threads = true;  // once
  }
  const std::lock_guard lock(shared_->mutex);
  if (shared_->error) return std::unexpected(*shared_->error);
  return {};
}

int ReactorPool::run() {
  auto ended = start();
  if (ended) ended = join();
  if (ended) return 0;
  report(ended.error());
  return 1;
}

void ReactorPool::stop() {
  shared_->stopping.store(true);
  for (unsigned i = 0; i < size(); ++i) {
    with_reactor(i, [](Reactor& reactor) {
      reactor.stop();
      return true;
    });
  }
}

void ReactorPool::fail(unsigned index, const Error& error) {
  {
    const std::lock_guard lock(shared_->mutex);
    if (!shared_->error) shared_->error = in_reactor(index, error);
  }
  stop();
}

}  // namespace eddy
