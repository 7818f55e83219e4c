// What one run of the client is to do.
#pragma once

#include <cstdint>
#include <vector>

namespace bench {

enum class Mode {
  kTcp,        // an echo over TCP connections
  kUnix,       // … over stream sockets of the abstract name eddy-bench-PORT (unix(7))
  kUdp,        // … over UDP sockets
  kConnect,    // a connection a request
  kBroadcast,  // connections that wait for what is sent to all
  kPaced,      // an echo over TCP connections, whose requests are sent by a schedule
};

struct Options {
  Mode mode = Mode::kTcp;
  int port = 0;
  int conns = 64;
  uint64_t size = 64;
  uint32_t depth = 1;
  double rate = 50'000;  // of kPaced: requests a second
  double warmup_s = 0.5;
  double duration_s = 3;
  std::vector<int> server_pids;
  bool json = false;
};

// Ends the process with status 2 and one line on stderr where the arguments cannot be read.
Options parse_options(int argc, char** argv);

}  // namespace bench
