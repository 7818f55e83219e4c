#include <eddy/core/linux_threads_internal.h>
#include <errno.h>
#include <signal.h>

#include <chrono>
#include <new>
#include <utility>

namespace eddy {
namespace {

constexpr std::chrono::seconds kIdleTime{5};

// A thread begins with the signals that the one which makes it has blocked.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~AllSignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  AllSignalsBlocked(const AllSignalsBlocked&) = delete;
  AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

LinuxThreads& LinuxThreads::of_this_process() {
  static LinuxThreads threads;
  return threads;
}

// The lock is held while the process is copied, so that what the child gets is whole.
LinuxThreads::LinuxThreads() {
  pthread_atfork([] { of_this_process().mutex_.lock(); }, [] { of_this_process().mutex_.unlock(); },
                 [] { of_this_process().forget_parents(); });
}

LinuxThreads::~LinuxThreads() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (Thread& thread : threads_) thread.given.notify_one();
  }
  for (Thread& thread : threads_) pthread_join(thread.id, nullptr);
}

void LinuxThreads::forget_parents() {
  forgotten_->splice(forgotten_->end(), threads_);
  idle_ = nullptr;
  mutex_.unlock();
}

int LinuxThreads::run(std::move_only_function<bool()> step) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return -EAGAIN;
  join_ended();
  if (idle_ == nullptr) return make(std::move(step));
  Thread& thread = *std::exchange(idle_, idle_->next_idle);
  thread.step = std::move(step);
  thread.given.notify_one();
  return 0;
}

int LinuxThreads::make(std::move_only_function<bool()> step) {
  try {
    threads_.emplace_back(*this);
  } catch (const std::bad_alloc&) {
    return -EAGAIN;
  }
  Thread& thread = threads_.back();
  thread.step = std::move(step);
  const AllSignalsBlocked blocked;
  const auto main = [](void* self) -> void* {
    auto& made = *static_cast<Thread*>(self);
    made.owner.live(made);
    return nullptr;
  };
  if (pthread_create(&thread.id, nullptr, main, &thread) == 0) return 0;
  threads_.pop_back();
  return -EAGAIN;
}

// Those that have ended of their own accord; each has let go of the lock, or is about to return.
void LinuxThreads::join_ended() {
  std::erase_if(threads_, [](const Thread& thread) {
    return thread.ended && pthread_join(thread.id, nullptr) == 0;
  });
}

// --- In the thread

void LinuxThreads::live(Thread& thread) {
  pthread_setname_np(pthread_self(), "eddy-work");
  std::unique_lock lock(mutex_);
  do {
    auto step = std::exchange(thread.step, nullptr);
    lock.unlock();
    while (step()) {
    }
    step = nullptr;
    lock.lock();
  } while (wait_for_work(thread, lock));
  thread.ended = true;
}

bool LinuxThreads::wait_for_work(Thread& thread, std::unique_lock<std::mutex>& lock) {
  thread.next_idle = std::exchange(idle_, &thread);
  thread.given.wait_for(lock, kIdleTime, [&] { return thread.step || stopping_; });
  if (thread.step) return true;
  Thread** link = &idle_;
  while (*link != &thread) link = &(*link)->next_idle;
  *link = thread.next_idle;
  return false;
}

}  // namespace eddy
