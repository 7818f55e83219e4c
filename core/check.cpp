#include <eddy/core/check.h>

#include <stdio.h>
#include <stdlib.h>

namespace eddy {

void fail_requirement(const char* rule) noexcept {
  fprintf(stderr, "eddy: this program broke a rule: %s\n", rule);
  abort();
}

void fail_invariant(const char* what, const char* function) noexcept {
  fprintf(stderr, "eddy: a bug of eddy's own in %s: %s; please report it\n", function, what);
  abort();
}

}  // namespace eddy
