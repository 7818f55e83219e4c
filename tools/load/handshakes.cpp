#include "load/handshakes.h"

#include <stdlib.h>

namespace eddy::load {

Handshakes& Handshakes::operator+=(const Handshakes& other) {
  if (!times.merge(other.times)) abort();  // all have one layout
  resumed += other.resumed;
  for (const auto& [what, count] : other.agreed) agreed[what] += count;
  return *this;
}

void Handshakes::reset() {
  times.reset();
  resumed = 0;
  agreed.clear();
}

}  // namespace eddy::load
