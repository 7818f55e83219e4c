// What the TLS handshakes of connections came to, in numbers that add up.
#pragma once

#include <eddy/core/histogram.h>
#include <stdint.h>

#include <map>
#include <string>

namespace eddy::load {

struct Handshakes {
  Handshakes& operator+=(const Handshakes& other);
  void reset();

  Histogram times;  // nanoseconds, from the TCP connection to the end of the handshake
  uint64_t resumed = 0;
  // What was agreed on, and how often: "TLSv1.3, TLS_AES_256_GCM_SHA384, http/1.1".
  std::map<std::string, uint64_t> agreed;
};

}  // namespace eddy::load
