// The threads behind LinuxKernel::run_elsewhere.
//
// What it is: threads that are made when there is work and none of them is idle, and that end when
// they have been idle for a while. How many there may be is for who gives the work to bound
// (core/work_pool.h). All signals are blocked in them, so handlers run in the program's own
// threads.
//
// The end of the process (exit(3), or main's return) ends those that are idle, and waits for the
// others until their work is done. A child of fork(2) has none of them, and makes its own.
//
// Threads: any.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>

namespace eddy {

class LinuxThreads {
 public:
  static LinuxThreads& of_this_process();
  LinuxThreads(const LinuxThreads&) = delete;
  LinuxThreads& operator=(const LinuxThreads&) = delete;

  // Kernel::run_elsewhere.
  int run(std::move_only_function<bool()> step);

 private:
  struct Thread {
    explicit Thread(LinuxThreads& threads) : owner(threads) {}
    LinuxThreads& owner;
    pthread_t id{};
    std::move_only_function<bool()> step;  // given, and not begun
    std::condition_variable given;         // … or stopping
    Thread* next_idle = nullptr;
    bool ended = false;
  };

  LinuxThreads();
  ~LinuxThreads();
  int make(std::move_only_function<bool()> step);
  void live(Thread& thread);
  bool wait_for_work(Thread& thread, std::unique_lock<std::mutex>& lock);
  void join_ended();
  void forget_parents();

  std::mutex mutex_;
  std::list<Thread> threads_;
  // Of a parent, in a child of fork(2). Never destroyed: somebody waits on their conditions, for
  // ever.
  std::list<Thread>* const forgotten_ = new std::list<Thread>;
  Thread* idle_ = nullptr;  // first the one that was busy last, so that the others come to end
  bool stopping_ = false;
};

}  // namespace eddy
