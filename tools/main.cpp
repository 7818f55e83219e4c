// The program eddy: one subcommand a file, which `command.h` lists.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <array>
#include <iostream>
#include <string>

#include "command.h"
#include "format.h"

namespace {

using eddy::tools::Command;

// What is not open would become a descriptor of the reactor's, and be written to.
void keep_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

// The status, unless what was to be told did not get out.
int after_output(int status) {
  std::cout.flush();
  const bool flushed = fflush(stdout) == 0;
  if (flushed && ferror(stdout) == 0 && std::cout.good()) return status;
  fprintf(stderr, "eddy: cannot write to standard output\n");
  return status == 0 ? 1 : status;
}

int refuse(const CLI::App& app, const std::string& what) {
  const auto chosen = app.get_subcommands();
  const std::string name = chosen.empty() ? "eddy" : "eddy " + chosen.front()->get_name();
  fprintf(stderr, "%s: %s (%s --help)\n", name.c_str(), eddy::tools::one_line(what).c_str(),
          name.c_str());
  return eddy::tools::kBadUsage;
}

// CLI11 leaves it to the terminal to break long lines, which does it within words.
void fit_to_terminal(CLI::App& command) {
  constexpr size_t kColumns = 79;
  constexpr size_t kDescriptions = 30;  // the column where CLI11 lets them begin
  command.footer(eddy::tools::wrapped(command.get_footer(), kColumns));
  for (CLI::Option* option : command.get_options()) {
    option->description(eddy::tools::wrapped(option->get_description(), kColumns - kDescriptions));
  }
}

}  // namespace

int main(int argc, char** argv) {
  keep_standard_descriptors();
  CLI::App app("eddy: servers and load generators on one reactor", "eddy");
  app.require_subcommand(0, 1);
  app.failure_message({});
  const std::array commands = {eddy::tools::make_echo(app), eddy::tools::make_load(app),
                               eddy::tools::make_probe(app)};
  for (const Command& command : commands) fit_to_terminal(*command.arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return after_output(app.exit(help));
  } catch (const CLI::ParseError& error) {
    return refuse(app, error.what());
  }
  for (const Command& command : commands) {
    if (command.arguments->parsed()) return after_output(command.run());
  }
  return refuse(app, "which command? echo, load or probe");
}
