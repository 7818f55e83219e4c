// Variables by which whoever starts a process says something to it alone.
#pragma once

#include <stdlib.h>

#include <optional>
#include <string>

namespace eddy {

// The variable's text, which is gone from then on: no child takes it for its own.
inline std::optional<std::string> take_variable(const char* name) {
  const char* text = getenv(name);
  if (text == nullptr) return std::nullopt;
  std::string copy = text;
  unsetenv(name);
  return copy;
}

}  // namespace eddy
