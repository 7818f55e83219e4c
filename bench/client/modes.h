// What the client can do. Each connects, runs its window, waits for what is still under way, so
// that a server that loses something cannot pass, and prints.
#pragma once

#include "options.h"

namespace bench {

// Every connection keeps `depth` requests of `size` bytes in flight.
void echo_streams(const Options& options);
// Every socket keeps `depth` datagrams of `size` bytes in flight, sent and received in batches.
void echo_datagrams(const Options& options);
// Of `conns` connections at a time each is made, carries one request and its answer, and is closed
// by the server; then the next one is made in its place.
void connect_each_time(const Options& options);
// One byte makes the server send `size` bytes to each of `conns` connections; once all have them,
// it is sent again.
void receive_broadcasts(const Options& options);

// Requests of `size` bytes as a Poisson process has them, `rate` a second, each on a connection
// that is free.
void send_paced(const Options& options);

}  // namespace bench
