// The slot behind a Watch.
#pragma once

#include <eddy/core/inline_function.h>
#include <eddy/core/slot.h>

namespace eddy {

class Reactor;

class WatchSlot final : public Slot {
 public:
  WatchSlot(Reactor& reactor, InlineFunction<void(Interest)> callback);

  void on_ready(Interest ready) override;
  void on_closed() override;
  void abandon() override { close(); }
  void close();
  Reactor& reactor() { return reactor_; }

  int signal_number = 0;  // 0: a descriptor of the user's

 private:
  Reactor& reactor_;
  InlineFunction<void(Interest)> callback_;
};

}  // namespace eddy
