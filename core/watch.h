// Readiness of a descriptor that the user owns.
//
// What it is: a handle of a watch that `Reactor::watch` or `Reactor::on_signal` made. It is
// level-triggered: while the descriptor is ready for what is asked, the callback comes once a turn,
// with what holds; a hang-up or an error is told asked for or not, as poll(2) does, until the watch
// is closed or its interest is kNone.
//
// Interest (core/slot.h) is a set: kReadable | kWritable | kPriority to ask for, and kHangup and
// kError as well in what is told. Look with `any(ready & Interest::kReadable)`. A pipe's end comes
// as kHangup, perhaps alone: read until 0 then too.
//
// Rules: a descriptor is in a reactor once at a time, watched, adopted or listened on: a second use
// is refused with EEXIST; one of a Stream's own is not to be watched. What has no readiness is
// refused with Errc::kUnsupported: regular files, directories, devices such as /dev/null. Close the
// watch before the descriptor. Copies of the handle name the same watch; destroying a handle does
// nothing; using one whose watch is closed does nothing either, and stops a debug build.
//
// Threads: the reactor's alone.
#pragma once

#include <eddy/core/slot.h>

namespace eddy {

class WatchSlot;

class Watch {
 public:
  Watch() = default;
  bool is_open() const;
  // Asks for something else from now on; kNone pauses the watch.
  void set_interest(Interest interest);
  // Whether the watch keeps `Reactor::run` from returning; it does at first.
  void set_keeps_alive(bool keeps);
  // No callback comes after this. The descriptor stays open and the user's. Nothing happens if it
  // is closed already.
  void close();

 private:
  friend class Reactor;
  explicit Watch(WatchSlot& slot);
  WatchSlot* slot_ = nullptr;
  uint32_t generation_ = 0;
};

}  // namespace eddy
