// Sends whose bytes the kernel reads in place, also after it has said that they are sent.
//
// What it is: one Hold for each zero-copy send. It counts on the slices that were described, so
// they stay until the kernel's notification, which may come long after the stream has closed: a
// dead peer never acknowledges. The completion and the notification both name the Hold.
//
// Ownership: the backend's. What the kernel has not let go of when the reactor ends is left to it:
// those slices are never released, so that nobody else gets their memory. Holds lie in chunks that
// stay; a steady load allocates nothing. Source: io_uring_prep_send_zc(3).
#pragma once

#include <eddy/core/slice_queue.h>
#include <eddy/core/slot.h>
#include <sys/uio.h>

#include <deque>

namespace eddy {

class UringZeroCopy {
 public:
  struct alignas(64) Hold {
    SliceQueue bytes;
    Slot* slot = nullptr;
    uint32_t generation = 0;
    bool is_sending = false;  // the bytes are not taken yet
    Hold* next_free = nullptr;

    bool slot_lives() const { return slot->generation == generation; }
  };

  explicit UringZeroCopy(SlicePool& pool) : pool_(pool) {}
  ~UringZeroCopy();
  UringZeroCopy(const UringZeroCopy&) = delete;
  UringZeroCopy& operator=(const UringZeroCopy&) = delete;

  // Holds the first `described` bytes of the queue for this slot. nullptr: no memory.
  Hold* take(Slot& slot, SliceQueue& queue, size_t described);
  // That of the send that this slot has under way, or nullptr. Looks at every Hold.
  const Hold* find(const Slot& slot) const;
  // The kernel has let go.
  void release(Hold& hold);
  // Sends that wait for their notification.
  size_t held() const { return held_; }

 private:
  SlicePool& pool_;
  std::deque<Hold> holds_;
  Hold* free_ = nullptr;
  size_t held_ = 0;
};

}  // namespace eddy
