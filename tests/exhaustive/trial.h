// One run of a scenario, in which one thing may fail.
//
// A reactor with an echo server, a connection that stands already (the bystander), and what the
// scenario adds. The scenario tells which connections are lost and what never came; `conclude`
// looks whether all is well that has to be.
#pragma once

#include <eddy/net/connector.h>

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "../support/stream_test.h"
#include "injector.h"

namespace eddy::test {

// What the server's callbacks tell, for as long as the server may call them.
struct Seen {
  Stream latest;  // accepted last
  size_t done = 0;
};

class Trial {
 public:
  Trial(Injector& injector, const ReactorOptions& reactor_options);

  // --- The stage
  // A reactor, a server and the bystander: nothing fails before they stand.
  void stand(StreamOptions stream_options);
  void stand();  // with an echo server
  // A reactor and a server that does not listen yet: nothing has grown that could be short of
  // memory.
  void stand_cold();
  void forget_bystander() { bystander_ = nullptr; }
  Reactor& reactor() { return *reactor_; }
  Server& server() { return *server_; }
  Seen& seen() { return seen_; }
  // A reactor alone, whose set-up may fail: then false.
  bool make_reactor();
  void destroy_reactor();

  // --- Acting
  // What is called here is eddy's, so it may meet the fault.
  template <typename Call>
  auto eddy(Call&& call) {
    const Armed armed(injector_, may_fail_);
    return call();
  }
  // A failure that may be, since the fault was made. One that may not be is noted.
  void tolerate(bool succeeded, const char* what);
  // Turns until the condition holds, at most for some seconds; what did not come to hold is noted.
  bool wait_for(const char* what, const std::function<bool()>& condition);
  void turns(int count = 8);

  // --- Connections
  // A client of the server's. `receive_buffer_bytes`: 0 is the system's own.
  Peer& connect(int receive_buffer_bytes = 0);
  // Sends and awaits the same bytes; a connection that ends instead is lost.
  void echo(Peer& client, size_t bytes);
  void lost(const char* which);

  // --- The end
  // What is wrong with this run: nothing, else a line for each.
  std::string conclude();

 private:
  void turn(bool sleep);
  void listen();
  void expect_alive();

  Injector& injector_;
  Seen seen_;
  const ReactorOptions options_;
  bool may_fail_ = false;
  bool has_turned_ = false;  // the first turn does the last of the set-up
  std::optional<Reactor> reactor_;
  std::optional<Server> server_;
  std::deque<Peer> peers_;
  Peer* bystander_ = nullptr;
  std::vector<std::string> lost_;
  std::string wrong_;
};

}  // namespace eddy::test
