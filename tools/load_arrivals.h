// The arguments of `eddy load` that say when requests are sent, and for how long.
#pragma once

#include <CLI/App.hpp>
#include <string>

#include "load/options.h"

namespace eddy::tools {

// As they were written.
struct ArrivalArguments {
  std::string rate;
  std::string replay_file;
  std::string source;
  const CLI::Option* duration = nullptr;
  const CLI::Option* warmup = nullptr;
};

void describe_arrivals(CLI::App& command, load::LoadOptions& options, ArrivalArguments& arguments);

// Brings them into the options, whose mix must be there. What is wrong with them, if anything.
std::string take_arrivals(const ArrivalArguments& arguments, load::LoadOptions& options);

}  // namespace eddy::tools
