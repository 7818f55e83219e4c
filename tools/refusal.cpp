#include "refusal.h"

#include <chrono>
#include <thread>

#include "load/launcher.h"
#include "standard_streams.h"

namespace eddy::tools {

void tell_refusal(const std::string& who, const std::string& what) {
  const int rank = load::launched_rank();
  if (rank > 0) std::this_thread::sleep_for(std::chrono::seconds(3));
  const std::string whose = rank > 0 ? "rank " + std::to_string(rank) + ": " : "";
  print_error(who, whose + what);
}

}  // namespace eddy::tools
