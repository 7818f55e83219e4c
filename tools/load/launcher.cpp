#include "load/launcher.h"

#include <stdlib.h>

#include <initializer_list>

namespace eddy::load {
namespace {

// The first of these that is set.
const char* environment(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const char* value = getenv(name)) return value;
  }
  return nullptr;
}

const char* rank_text() { return environment({"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"}); }

}  // namespace

bool was_launched_as_rank() { return rank_text() != nullptr; }

int launched_rank() {
  const char* rank = rank_text();
  return rank == nullptr ? 0 : atoi(rank);
}

int launched_ranks() {
  const char* size = environment({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"});
  return size == nullptr ? 1 : atoi(size);
}

}  // namespace eddy::load
