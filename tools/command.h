// The subcommands of `eddy`: what each offers main.cpp.
#pragma once

#include <CLI/App.hpp>
#include <functional>

namespace eddy::tools {

// One subcommand: its arguments as CLI11 knows them, and what it does once they are parsed.
struct Command {
  CLI::App* arguments;
  std::function<int()> run;  // the exit status
};

// Bad arguments, and whatever else fails before there is anything to serve or measure.
inline constexpr int kBadUsage = 2;

Command make_echo(CLI::App& app);
Command make_load(CLI::App& app);
Command make_probe(CLI::App& app);

}  // namespace eddy::tools
