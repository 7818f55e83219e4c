// The words of a command line, looked over before CLI11 has them: it tells all that it did not
// expect at once, in reverse, and reads "-host" as -h and what follows.
#pragma once

#include <CLI/App.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace eddy::tools {

struct WrongWord {
  const CLI::App* command;  // whose word it is
  std::string what;
};

// The first option or command that there is not. Where nothing is wrong, the words are as CLI11
// takes them: "-rate", as programs in Go have it, has become "--rate", and the numbers behind an
// option with a delimiter are one word: --server-pid $(pidof nginx).
std::optional<WrongWord> look_over(const CLI::App& app, std::vector<std::string>& words);

// "there is no option '--conections'; did you mean --connections?" Written without dashes, it is
// suggested without them.
std::string no_such_option(const CLI::App& command, std::string_view written);

// CLI11's parse of words in their order.
void parse(CLI::App& app, std::vector<std::string> words);

// "eddy load".
std::string path_of(const CLI::App& command);

}  // namespace eddy::tools
