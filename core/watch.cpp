#include <eddy/core/check.h>
#include <eddy/core/reactor.h>
#include <eddy/core/vector_room_internal.h>
#include <eddy/core/watch.h>
#include <eddy/core/watch_internal.h>

#include <errno.h>
#include <signal.h>

#include <algorithm>
#include <string>

namespace eddy {

// --- The slot

WatchSlot::WatchSlot(Reactor& reactor, InlineFunction<void(Interest)> callback)
    : reactor_(reactor), callback_(std::move(callback)) {
  role = SlotRole::kWatch;
  release_descriptor = true;
}

// Events of this batch may be older than the interest.
void WatchSlot::on_ready(Interest ready) {
  const Interest told = ready & (interest | Interest::kHangup | Interest::kError);
  if (any(told)) callback_(told);
}

void WatchSlot::on_closed() {
  if (signal_number != 0) reactor_.kernel().close_signal(signal_number, fd);
  reactor_.retire(*this);
}

void WatchSlot::close() {
  if (closing) return;
  reactor_.disclaim(fd);
  reactor_.operations().close(*this);
}

// --- The handle

Watch::Watch(WatchSlot& slot) : slot_(&slot), generation_(slot.generation) {}

bool Watch::is_open() const {
  return slot_ != nullptr && slot_->generation == generation_ && !slot_->closing;
}

void Watch::set_interest(Interest interest) {
  EDDY_REQUIRE(is_open(), "a Watch was used after it was closed");
  if (is_open()) slot_->reactor().operations().watch(*slot_, interest);
}

void Watch::set_keeps_alive(bool keeps) {
  EDDY_REQUIRE(is_open(), "a Watch was used after it was closed");
  if (is_open()) slot_->reactor().set_keeps_alive(*slot_, keeps);
}

void Watch::close() {
  if (is_open()) slot_->close();
}

// --- Their making

std::unexpected<Error> no_readiness(const char* call, std::string subject, bool is_regular_file) {
  return std::unexpected<Error>(
      std::in_place, Errc::kUnsupported, call, std::move(subject),
      is_regular_file
          ? "a regular file, be it one of /proc, is not waited for: read it, or watch it by inotify"
          : "a directory, or a device such as /dev/null, has no readiness to wait for");
}

int Reactor::claim(int fd) {
  const auto at = std::ranges::lower_bound(claimed_, fd) - claimed_.begin();
  if (static_cast<size_t>(at) < claimed_.size() && claimed_[static_cast<size_t>(at)] == fd) {
    return -EEXIST;
  }
  if (!make_room(claimed_)) return -ENOMEM;
  claimed_.insert(claimed_.begin() + at, fd);
  return 0;
}

void Reactor::disclaim(int fd) {
  const auto at = std::ranges::lower_bound(claimed_, fd);
  if (at != claimed_.end() && *at == fd) claimed_.erase(at);
}

Result<Watch> Reactor::watch(int fd, Interest interest, InlineFunction<void(Interest)> callback) {
  if (error_) return std::unexpected(*error_);
  EDDY_REQUIRE(on_own_thread(), "Reactor::watch was called by a thread that is not the reactor's");
  const std::string subject = "fd " + std::to_string(fd);
  const int kind = kernel_.descriptor_kind(fd);
  if (kind < 0) return failure(kind, "watch", subject);
  if (kind == static_cast<int>(DescriptorKind::kRegularFile))
    return no_readiness("watch", subject, true);
  if (const int failed = claim(fd); failed < 0) return failure(failed, "watch", subject);
  auto* slot = make_slot<WatchSlot>(0, *this, std::move(callback));
  if (slot == nullptr) {
    disclaim(fd);
    return failure(-ENOMEM, "watch", subject);
  }
  slot->fd = fd;
  slot->kind = static_cast<DescriptorKind>(kind);
  if (const int failed = backend_->add(*slot); failed < 0) {
    disclaim(fd);
    retire(*slot);
    if (failed == -EPERM) return no_readiness("watch", subject, false);
    return failure(failed, "watch", subject);
  }
  backend_->watch(*slot, interest);
  return Watch(*slot);
}

namespace {

const char* why_no_watch(int signal_number) {
  switch (signal_number) {
    case SIGKILL:
    case SIGSTOP: return "no program can catch it";
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL: return "it tells of a fault of the program, which a loop cannot come to see";
    default: return "";
  }
}

}  // namespace

Result<Watch> Reactor::on_signal(int signal_number, InlineFunction<void(int64_t)> callback) {
  if (error_) return std::unexpected(*error_);
  if (const char* why = why_no_watch(signal_number); *why != '\0') {
    return failure(-EINVAL, "on_signal", "signal " + std::to_string(signal_number), why);
  }
  const int fd = kernel_.open_signal(signal_number);
  if (fd < 0) return failure(fd, "sigaction", "signal " + std::to_string(signal_number));
  Result<Watch> watched;
  try {
    watched =
        watch(fd, Interest::kReadable, [this, fd, call = std::move(callback)](Interest) mutable {
          if (const int64_t count = kernel_.read_eventfd(fd); count > 0) call(count);
        });
  } catch (const std::bad_alloc&) {  // the closure is too large to lie in the slot
    watched = failure(-ENOMEM, "watch");
  }
  if (!watched) {
    kernel_.close_signal(signal_number, fd);
    return watched;
  }
  watched->slot_->signal_number = signal_number;
  watched->set_keeps_alive(false);
  return watched;
}

}  // namespace eddy
