// The program eddy: one subcommand a file, which `command.h` lists.
#include <eddy/core/sigpipe.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <array>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "command.h"
#include "command_line.h"
#include "format.h"
#include "refusal.h"
#include "standard_streams.h"

namespace {

using eddy::tools::Command;

// What is not open would become a descriptor of the reactor's, and be written to.
void keep_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

// On whatever thread it is, and where nothing can be told to a caller any more.
std::terminate_handler otherwise = nullptr;
[[noreturn]] void on_terminate() {
  try {
    if (const auto thrown = std::current_exception()) std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    constexpr std::string_view kLine = "eddy: out of memory\n";
    // There is nowhere to say it but here.
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kLine.data(), kLine.size());
    _exit(eddy::tools::kOutOfMemory);
  } catch (...) {
    otherwise();
  }
  abort();
}

// The status, unless what was to be told did not get out.
int after_output(int status) {
  std::cout.flush();
  const auto written = eddy::tools::finish_output();
  if (written) return status;
  eddy::tools::print_error(program_invocation_short_name, written.error().message());
  return status == 0 ? 1 : status;
}

int refuse(const CLI::App& command, const std::string& what) {
  const std::string name = eddy::tools::path_of(command);
  eddy::tools::tell_refusal(name, what + " (" + name + " --help)");
  return eddy::tools::kBadUsage;
}

const CLI::App& chosen_command(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : chosen_command(*chosen.front());
}

std::string surplus_of(const CLI::App& command) {
  std::string text = "not expected:";
  for (const std::string& word : command.remaining()) text += " '" + word + "'";
  return text;
}

// CLI11 leaves it to the terminal to break long lines, which does it within words.
void fit_to_terminal(CLI::App& command) {
  constexpr size_t kColumns = 79;
  constexpr size_t kDescriptions = 30;  // the column where CLI11 lets them begin
  command.footer(eddy::tools::wrapped(command.get_footer(), kColumns));
  for (CLI::Option* option : command.get_options()) {
    option->description(eddy::tools::wrapped(option->get_description(), kColumns - kDescriptions));
  }
  for (CLI::App* below : command.get_subcommands({})) fit_to_terminal(*below);
}

}  // namespace

int main(int argc, char** argv) {
  otherwise = std::set_terminate(on_terminate);
  keep_standard_descriptors();
  eddy::ignore_sigpipe();  // a reader that has gone is told like a disk that is full
  CLI::App app("eddy: servers and load generators on one reactor", "eddy");
  app.require_subcommand(0, 1);
  app.failure_message({});
  app.set_version_flag("--version", "eddy " EDDY_VERSION, "Tell the version");
  const std::array commands = {eddy::tools::make_echo(app), eddy::tools::make_load(app),
                               eddy::tools::make_probe(app), eddy::tools::make_proxy(app),
                               eddy::tools::make_resolve(app)};
  for (const Command& command : commands) fit_to_terminal(*command.arguments);
  std::vector<std::string> words(argv + 1, argv + argc);
  if (const auto wrong = eddy::tools::look_over(app, words)) {
    return refuse(*wrong->command, wrong->what);
  }
  try {
    eddy::tools::parse(app, std::move(words));
  } catch (const CLI::Success& help) {
    return after_output(app.exit(help));
  } catch (const CLI::ExtrasError&) {
    return refuse(chosen_command(app), surplus_of(chosen_command(app)));
  } catch (const CLI::ParseError& error) {
    return refuse(chosen_command(app), error.what());
  }
  // So that eddy::report says whose error it is.
  std::string name = eddy::tools::path_of(chosen_command(app));
  program_invocation_short_name = name.data();
  for (const Command& command : commands) {
    if (command.arguments->parsed()) return after_output(command.run());
  }
  return refuse(app, "which command? echo, load, probe, proxy or resolve");
}
