// A closed-loop load client for the servers of bench/compare, as cheap as one epoll thread can be,
// since it shares a small machine with the server that it measures.
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>

#include "modes.h"

namespace {

void run(const bench::Options& options) {
  switch (options.mode) {
    case bench::Mode::kTcp:
    case bench::Mode::kUnix: return bench::echo_streams(options);
    case bench::Mode::kUdp: return bench::echo_datagrams(options);
    case bench::Mode::kConnect: return bench::connect_each_time(options);
    case bench::Mode::kBroadcast: return bench::receive_broadcasts(options);
    case bench::Mode::kPaced: return bench::send_paced(options);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Options options = bench::parse_options(argc, argv);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  run(options);
  std::fflush(stdout);
  _exit(0);  // the kernel closes thousands of sockets as fast without destructors
}
