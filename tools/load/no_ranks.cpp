// In a build without MPI. Each of several ranks would make the whole load.
#include "load/launcher.h"
#include "load/ranks.h"

namespace eddy::load {

std::expected<std::unique_ptr<Ranks>, std::string> join_ranks() {
  if (launched_ranks() <= 1) return nullptr;
  return std::unexpected("started as one of " + std::to_string(launched_ranks()) +
                         " ranks, but this eddy was built without MPI (EDDY_WITH_MPI)");
}

}  // namespace eddy::load
