#include <eddy/core/check.h>
#include <eddy/core/reactor.h>
#include <eddy/core/watch.h>
#include <eddy/core/watch_internal.h>

#include <algorithm>

namespace eddy {

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
  auto& watched = reactor_.watched_;
  const auto at = std::lower_bound(watched.begin(), watched.end(), fd);
  if (at != watched.end() && *at == fd) watched.erase(at);
  reactor_.operations().close(*this);
}

Watch::Watch(WatchSlot& slot) : slot_(&slot), generation_(slot.generation) {}

bool Watch::is_open() const {
  return slot_ != nullptr && slot_->generation == generation_ && !slot_->closing;
}

void Watch::set_interest(Interest interest) {
  EDDY_REQUIRE(is_open(), "a Watch must not be used after it was closed");
  if (is_open()) slot_->reactor().operations().watch(*slot_, interest);
}

void Watch::set_keeps_alive(bool keeps) {
  EDDY_REQUIRE(is_open(), "a Watch must not be used after it was closed");
  if (is_open()) slot_->reactor().set_keeps_alive(*slot_, keeps);
}

void Watch::close() {
  if (is_open()) slot_->close();
}

}  // namespace eddy
