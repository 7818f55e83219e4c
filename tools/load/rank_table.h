// The ranks of a run side by side, a row each.
#pragma once

#include <string>
#include <vector>

#include "load/rank_row.h"

namespace eddy::load {

// Lines of text, the first a heading; nothing if there are no ranks.
std::string rank_table(const std::vector<RankRow>& ranks);

}  // namespace eddy::load
