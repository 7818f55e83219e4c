// The sockets that are tried until one connects: those of one Stream, which then takes the
// descriptor over.
//
// What it is: what RFC 8305 (Happy Eyeballs, version 2, section 5) says for several addresses, the
// next one being tried while those before it still wait; and, when all have failed, a retry of
// them, later and later. Each attempt has a socket and a Slot of its own.
//
// Ownership: its stream's, to which everything is told. A stream that ends calls `stop`, once.
#pragma once

#include <eddy/core/error.h>
#include <eddy/core/timer_wheel.h>
#include <eddy/net/address.h>
#include <eddy/net/connector.h>
#include <eddy/net/resolver.h>
#include <stddef.h>
#include <stdint.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

namespace eddy {

class AttemptSlot;
class Kernel;
class StreamSlot;

// What all connections of one Connector share. It may outlive it.
struct ConnectPlan {
  ConnectOptions options;
  bool no_delay;
  uint64_t next_source = 0;
  // Of connects by one attempt: most connectors have but one address, which their connections then
  // need not keep each. Throws std::bad_alloc.
  std::shared_ptr<const Address> last_address{};
  void note_address(const Address& address) {
    if (last_address != nullptr && *last_address == address) return;
    last_address = std::make_shared<const Address>(address);
  }
};

// A socket that is ready to be connected to `peer`, bound to the next source. At failure nothing is
// left of it.
Result<int> make_connecting_socket(Kernel& kernel, const Address& peer, ConnectPlan& plan);

// Where a short read says that there is no more (Slot::is_tcp).
bool is_plain_tcp(const Address& peer, const ConnectOptions& options);

class ConnectAttempts {
 public:
  // `addresses` are tried in this order. There is one at the least, or they come from a resolver:
  // `subject` is what is connected to, in words. Throws std::bad_alloc.
  ConnectAttempts(StreamSlot& stream, std::shared_ptr<ConnectPlan> plan,
                  std::vector<Address> addresses, std::string subject);

  // What a resolver is given to call, and, once it has taken the question, `await_addresses`. It
  // may be called or destroyed at any time, also after this.
  std::move_only_function<void(Result<ResolvedName>)> expect_addresses();
  void await_addresses() { *asker_ = this; }
  void start() {
    if (!by_name_) begin_next();
  }
  // Ends all that is under way; what has just won as well.
  void stop();
  // Why there is no connection, and what each attempt has met, or had when it was stopped.
  Error error(std::error_code reason) const;

 private:
  friend class AttemptSlot;
  class Answer;
  void resolved(Result<ResolvedName> found);
  void begin_next();
  void begin_next_or_throw();
  bool begin(size_t index, uint64_t sources);
  void launch(int descriptor, size_t index, uint64_t sources_left);
  void connected(AttemptSlot& attempt);
  void failed(AttemptSlot& attempt, std::error_code reason);
  void note_failure(Error failure);
  void retry_or_give_up();
  std::chrono::nanoseconds next_delay();
  void begin_after(std::chrono::nanoseconds delay);
  void out_of_memory();

  StreamSlot& stream_;
  const std::shared_ptr<ConnectPlan> plan_;
  std::vector<Address> addresses_;
  const bool by_name_;  // they come later, and begin by themselves
  const std::string subject_;
  std::shared_ptr<ConnectAttempts*> asker_;  // of a resolver: gone once it is not to be answered
  size_t next_ = 0;                          // of the addresses
  std::vector<AttemptSlot*> running_;
  TimerId timer_{};  // of the next attempt, or of the next retry
  uint64_t retries_ = 0;
  uint64_t failures_ = 0;
  std::vector<Error> last_failures_;
  size_t unanswered_ = 0;  // when it was stopped
  bool stopped_ = false;
};

}  // namespace eddy
