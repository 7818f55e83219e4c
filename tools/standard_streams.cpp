#include "standard_streams.h"

#include <errno.h>
#include <stdio.h>
#include <stdio_ext.h>

#include "format.h"

namespace eddy::tools {

void print_error(const std::string& who, const std::string& what) {
  fprintf(stderr, "%s: %s\n", who.c_str(), one_line(what).c_str());
}

Result<void> finish_output() {
  // What failed before is known by errno alone, which nothing else has set since.
  if (ferror(stdout) == 0) errno = 0;
  if (fflush(stdout) == 0 && ferror(stdout) == 0) return {};
  const int code = errno == 0 ? EIO : errno;
  __fpurge(stdout);
  clearerr(stdout);
  return failure(-code, "write", "standard output");
}

}  // namespace eddy::tools
