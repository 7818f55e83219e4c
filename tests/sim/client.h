// One connection from the client's side: sends its content in pieces, checks what comes back, and
// ends as its plan says.
#pragma once

#include <eddy/net/connector.h>
#include <eddy/sim/tape.h>

#include <memory>

#include "content.h"
#include "journal.h"
#include "plan.h"

namespace eddy::test {

class Client {
 public:
  // The reactor outlives it.
  Client(Reactor& reactor, const Plan& plan, const ConnectionPlan& connection,
         const Address& server, Failures& failures);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool is_over() const { return order_.closed(); }
  // No faults strike any more: whoever still has reasons to wait on, gives up.
  void healed();
  const CallbackOrder& order() const { return order_; }
  std::string describe() const;
  // Ended cleanly, and everything was there.
  bool complete() const { return complete_; }
  const Stream& stream() const { return stream_; }

 private:
  void begin();
  void opened(Stream& stream);
  void received(std::string_view bytes);
  void ended();
  void closed(std::error_code reason);
  void pump();
  bool send_piece();
  void send_some(std::string_view bytes);
  void check_complete();
  void leave();
  void pause_now_and_then();
  uint64_t expected_bytes() const;

  Reactor& reactor_;
  const Plan& plan_;
  const ConnectionPlan& connection_;
  const Address server_;
  CallbackOrder order_;
  sim::Tape choices_;
  const Content to_server_;
  const Content from_server_;
  Stream stream_;
  TimerId start_timer_{};
  TimerId pump_timer_{};
  TimerId leave_timer_{};
  TimerId resume_timer_{};
  uint64_t sent_ = 0;
  bool shut_ = false;
  bool left_ = false;
  bool complete_ = false;
  bool refused_ = false;  // an open stream did not take what was sent
};

}  // namespace eddy::test
