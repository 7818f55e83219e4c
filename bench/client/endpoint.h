// Where the server is.
#pragma once

#include <netinet/in.h>
#include <sys/un.h>

#include "options.h"

namespace bench {

struct Endpoint {
  union {
    sockaddr any;
    sockaddr_in in;
    sockaddr_un un;
  };
  socklen_t size;
};

// The port on 127.0.0.1; for Mode::kUnix the abstract name, which needs no file that stays behind
// and is of the network namespace (unix(7)).
Endpoint endpoint_of(const Options& options);
// A connected, blocking stream socket; ends the process where there can be none.
int connect_stream(const Options& options, const Endpoint& server, size_t index);

}  // namespace bench
