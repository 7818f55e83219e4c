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
inline constexpr int kOutOfMemory = 12;  // of any command

Command make_echo(CLI::App& app);
Command make_load(CLI::App& app);
// Below it, once its options are there.
Command make_load_compare(CLI::App& load);
Command make_load_merge(CLI::App& load);
Command make_probe(CLI::App& app);
Command make_proxy(CLI::App& app);
Command make_resolve(CLI::App& app);

}  // namespace eddy::tools
