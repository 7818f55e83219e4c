// What is wrong with the arguments, told by whom it concerns.
#pragma once

#include <string>

namespace eddy::tools {

// One line on stderr, "WHO: WHAT". Of several ranks (docs/distributed.md) the first tells at once
// what is wrong with the arguments of all, and the launcher ends the others for it: mpirun after a
// second. Another one that is still there after three is alone with it, and says which it is.
void tell_refusal(const std::string& who, const std::string& what);

}  // namespace eddy::tools
