#include <eddy/net/stream_internal.h>
#include <errno.h>

#include <string>

namespace eddy {

// --- A stream that gives its descriptor back

void StreamSlot::release(InlineFunction<void(int)> taker) {
  if (closing || has(kClosing)) return;
  if (!make_extra()) return out_of_memory();
  extra_->taker = std::move(taker);
  begin_release();
}

void StreamSlot::begin_release() {
  if (has(kParts | kSpliced)) stop_splices();
  release_descriptor = true;
  set(kClosing);
  update_receiving();
  reactor_.turn().want_flush(*this);
}

void StreamSlot::release_unread(InlineFunction<void(int, SharedBytes)> taker) {
  if (closing || has(kClosing)) return;
  if (!make_extra()) return out_of_memory();
  extra_->unread_taker = std::move(taker);
  begin_release();
}

// In one piece.
SharedBytes StreamSlot::take_held() {
  std::string bytes;
  while (!held_.empty()) bytes += held_.pop(reactor_.turn().slices).view();
  return SharedBytes::adopt(std::move(bytes));
}

// --- … and one that takes another's over

int StreamSlot::begin_taken(int descriptor, bool tcp) {
  fd = descriptor;
  is_tcp = tcp;
  choose_transfer();
  if (const int failed = reactor_.operations().add(*this); failed < 0) {
    discard();
    return failed;
  }
  set(kOpening);
  reactor_.turn().want_flush(*this);
  return 0;
}

// Delivered after on_open, which is due.
void StreamSlot::begin_with(Slice&& unread) {
  if (!unread.empty()) hold(std::move(unread));
}

}  // namespace eddy
