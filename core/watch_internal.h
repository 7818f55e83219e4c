// The slot behind a Watch, and what is said of a descriptor that cannot have one.
#pragma once

#include <eddy/core/error.h>
#include <eddy/core/inline_function.h>
#include <eddy/core/slot.h>

#include <string>

namespace eddy {

class Reactor;

// What can be waited for neither by a watch nor by a stream.
std::unexpected<Error> no_readiness(const char* call, std::string subject, bool is_regular_file);

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
