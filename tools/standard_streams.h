// What programs say, on standard output and standard error.
#pragma once

#include <eddy/core/error.h>

#include <string>

namespace eddy::tools {

// One line on stderr, "eddy load: what", in which what others have sent can do a terminal no harm.
void print_error(const std::string& who, const std::string& what);

// Once all that goes to stdout has been handed over: whether it got out. What did not is dropped,
// so that it fails only once.
Result<void> finish_output();

}  // namespace eddy::tools
