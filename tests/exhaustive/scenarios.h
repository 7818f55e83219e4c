// What is done while something fails: one scenario for each thing that a reactor does.
#pragma once

#include <vector>

#include "trial.h"

namespace eddy::test {

struct Scenario {
  const char* name;
  void (*play)(Trial& trial);
  bool of_memory = false;  // of interest where allocations fail, and too long elsewhere
};

const std::vector<Scenario>& scenarios();

}  // namespace eddy::test
