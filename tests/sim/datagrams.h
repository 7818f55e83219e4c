// Datagrams there and back while streams are served: numbered ones, in bursts, to a socket that
// sends back what comes. Each answer must be whole and have been asked for.
#pragma once

#include <eddy/core/reactor.h>
#include <eddy/net/datagram.h>
#include <eddy/sim/tape.h>

#include <string>
#include <string_view>
#include <vector>

#include "journal.h"

namespace eddy::test {

class Datagrams {
 public:
  // An echo at `address` in the one reactor, and who asks it in the other. `most_copies`: as many
  // answers as one datagram may have. Without descriptors there is no exchange.
  Datagrams(Reactor& server, const std::string& address, Reactor& client, uint64_t seed,
            int most_copies, Failures& failures);
  Datagrams(const Datagrams&) = delete;
  Datagrams& operator=(const Datagrams&) = delete;

  // Asks no more, and closes both sockets. Before its end, it must be over, or the reactors gone.
  void finish();
  bool is_over() const { return open_ == 0; }

 private:
  struct Asked {
    size_t size = 0;
    int answers = 0;
  };
  DatagramOptions journal(bool is_client);
  void ask();
  std::string question(size_t number, size_t size) const;
  void answered(std::string_view bytes, const DatagramInfo& info);
  void closed(Datagram& self, std::error_code code, bool is_client);

  Reactor& reactor_;
  Failures& failures_;
  sim::Tape choices_;
  const int most_copies_;
  Datagram echo_;
  Datagram client_;
  Address there_;
  TimerId beat_{};
  int open_ = 0;  // sockets whose on_close has not come
  std::vector<Asked> asked_;
  uint64_t taken_ = 0;
};

}  // namespace eddy::test
