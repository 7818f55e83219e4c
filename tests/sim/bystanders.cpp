#include "bystanders.h"

#include <fcntl.h>
#include <signal.h>

#include <array>
#include <iterator>

namespace eddy::test {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

}  // namespace

Bystanders::Bystanders(Reactor& reactor, sim::Host host, uint64_t seed, Failures& failures)
    : reactor_(reactor), host_(host), failures_(failures), choices_(seed) {
  if (host_.pipe(pipe_, O_NONBLOCK) == 0) {
    auto watched =
        reactor_.watch(pipe_[0], Interest::kReadable, [this](Interest) { read_from_pipe(); });
    if (watched) pipe_watch_ = *watched;
  }
  auto signals =
      reactor_.on_signal(SIGUSR1, [this](int64_t count) { told_ += static_cast<uint64_t>(count); });
  if (signals) signal_watch_ = *signals;
  beat_ = reactor_.start_timer(milliseconds(1), [this] { act(); },
                               {.period = milliseconds(1 + choices_.draw(20))});
}

Bystanders::~Bystanders() {
  reactor_.cancel_timer(beat_);
  for (const auto& [number, timer] : timers_) reactor_.cancel_timer(timer.id);
  if (pipe_watch_.is_open()) pipe_watch_.close();
  if (signal_watch_.is_open()) signal_watch_.close();
  for (const int fd : pipe_) {
    if (fd >= 0) host_.kernel().close(fd);
  }
}

void Bystanders::act() {
  if (chance(2)) start_timer();
  if (chance(6)) cancel_some_timer();
  if (chance(6)) restart_some_timer();
  if (chance(4)) write_to_pipe();
  if (chance(8)) {
    ++posted_;
    reactor_.post([this] { ++ran_; });
  }
  if (chance(8)) {
    ++posted_;
    reactor_.defer([this] { ++ran_; });
  }
  if (chance(16) && signal_watch_.is_open()) {
    ++raised_;
    host_.raise(SIGUSR1);
  }
}

void Bystanders::start_timer() {
  const uint64_t number = next_timer_++;
  const auto delay =
      chance(3) ? nanoseconds(0) : nanoseconds(static_cast<int64_t>(choices_.draw(30'000'000)));
  Timer& timer = timers_[number];
  timer.deadline = reactor_.now() + delay;
  timer.id = reactor_.start_timer(delay, [this, number] { timer_fired(number); });
}

// Those that are due with it may be cancelled by it: they must not come then.
void Bystanders::timer_fired(uint64_t number) {
  const auto found = timers_.find(number);
  if (found == timers_.end()) return failures_.add("timer: it fired after it was cancelled");
  if (reactor_.now() < found->second.deadline) failures_.add("timer: it fired early");
  timers_.erase(found);
  if (chance(2)) cancel_some_timer();
}

void Bystanders::cancel_some_timer() {
  if (timers_.empty()) return;
  const auto one =
      std::next(timers_.begin(), static_cast<ptrdiff_t>(choices_.draw(timers_.size())));
  if (!reactor_.cancel_timer(one->second.id)) {
    failures_.add("timer: one that had not fired could not be cancelled");
  }
  timers_.erase(one);
}

void Bystanders::restart_some_timer() {
  if (timers_.empty()) return;
  const auto one =
      std::next(timers_.begin(), static_cast<ptrdiff_t>(choices_.draw(timers_.size())));
  const auto delay = nanoseconds(static_cast<int64_t>(choices_.draw(10'000'000)));
  one->second.deadline = reactor_.now() + delay;
  if (!reactor_.restart_timer(one->second.id, delay)) {
    failures_.add("timer: one that had not fired could not be restarted");
  }
}

void Bystanders::write_to_pipe() {
  if (!pipe_watch_.is_open()) return;
  char bytes[100] = {};
  const iovec piece = {bytes, 1 + choices_.draw(sizeof bytes)};
  const ssize_t count = host_.kernel().writev(pipe_[1], &piece, 1);
  if (count > 0) written_ += static_cast<uint64_t>(count);
}

void Bystanders::read_from_pipe() {
  std::array<char, 64> room;
  const ssize_t count = host_.kernel().read(pipe_[0], room.data(), 1 + choices_.draw(room.size()));
  if (count > 0) read_ += static_cast<uint64_t>(count);
}

void Bystanders::finish() {
  finishing_ = true;
  reactor_.cancel_timer(beat_);
}

bool Bystanders::is_over() const {
  return finishing_ && timers_.empty() && written_ == read_ && raised_ == told_ && posted_ == ran_;
}

std::string Bystanders::waits_for() const {
  return std::to_string(timers_.size()) + " timers, " + std::to_string(written_ - read_) +
         " bytes in the pipe, " + std::to_string(raised_ - told_) + " signals, " +
         std::to_string(posted_ - ran_) + " posts";
}

}  // namespace eddy::test
