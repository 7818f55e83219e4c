#include "command_line.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace eddy::tools {
namespace {

// How many letters have to be changed, taken away or put in (Levenshtein's distance).
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

// "; did you mean …?", if one of the names is near.
std::string suggestion(std::string_view name, const std::vector<std::string>& names,
                       const std::string& dashes) {
  constexpr size_t kNear = 2;
  const std::string* nearest = nullptr;
  size_t least = std::min(kNear, name.size() / 2) + 1;
  for (const std::string& each : names) {
    if (const size_t far = distance(each, name); far < least) {
      least = far;
      nearest = &each;
    }
  }
  return nearest == nullptr ? "" : "; did you mean " + dashes + *nearest + "?";
}

std::string no_such_command(const CLI::App& app, const std::string& written) {
  std::vector<std::string> names;
  for (const CLI::App* each : app.get_subcommands({})) names.push_back(each->get_name());
  return "there is no command '" + written + "'" + suggestion(written, names, "");
}

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  const auto all = app.get_subcommands({});
  const auto found = std::ranges::find(all, name, &CLI::App::get_name);
  return found == all.end() ? nullptr : *found;
}

bool is_number(const std::string& word) {
  return !word.empty() && word.find_first_not_of("0123456789") == std::string::npos;
}

// "-rate", which is not -r with a value: that begins with a letter nowhere.
bool is_long_with_one_dash(const std::string& word) {
  constexpr size_t kShortest = 4;
  return word.size() >= kShortest &&
         word.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") == std::string::npos;
}

class Words {
 public:
  Words(const CLI::App& app, std::vector<std::string>& words) : command_(&app), words_(words) {}

  std::optional<WrongWord> look_over() {
    for (; at_ < words_.size() && words_[at_] != "--"; ++at_) {
      std::string wrong;
      if (word().size() < 2 || !word().starts_with('-')) {
        wrong = take_plain();
      } else if (word().starts_with("--") || is_long_with_one_dash(word())) {
        wrong = take_long();
      } else {
        wrong = take_short();
      }
      if (!wrong.empty()) return WrongWord{command_, wrong};
    }
    return std::nullopt;
  }

 private:
  std::string& word() { return words_[at_]; }

  std::string take_plain() {
    if (const CLI::App* below = find_command(*command_, word())) {
      command_ = below;
    } else if (command_->get_parent() == nullptr && !command_->get_subcommands({}).empty()) {
      return no_such_command(*command_, word());
    }
    return {};
  }

  std::string take_long() {
    const size_t end = word().find('=');
    const std::string name = word().substr(0, end);
    const CLI::Option* option =
        command_->get_option_no_throw(name.starts_with("--") ? name : "-" + name);
    if (option == nullptr) return no_such_option(*command_, name);
    if (!name.starts_with("--")) word().insert(0, "-");
    if (end == std::string::npos) take_values(*option);
    return {};
  }

  // Flags, the last of which may be an option with its value: -k, -c64, -kc64, -c 64.
  std::string take_short() {
    for (size_t i = 1; i < word().size(); ++i) {
      const CLI::Option* option = command_->get_option_no_throw({'-', word()[i]});
      if (option == nullptr) return no_such_option(*command_, word());
      if (option->get_expected_max() == 0) continue;
      if (i + 1 == word().size()) take_values(*option);
      break;
    }
    return {};
  }

  // The words behind an option that are its own.
  void take_values(const CLI::Option& option) {
    if (option.get_expected_max() == 0 || at_ + 1 == words_.size()) return;
    ++at_;
    if (option.get_delimiter() == '\0') return;
    auto next = words_.begin() + static_cast<ptrdiff_t>(at_) + 1;
    while (next != words_.end() && is_number(*next)) {
      word() += option.get_delimiter() + *next;
      next = words_.erase(next);
    }
  }

  const CLI::App* command_;
  std::vector<std::string>& words_;
  size_t at_ = 0;
};

}  // namespace

std::optional<WrongWord> look_over(const CLI::App& app, std::vector<std::string>& words) {
  return Words(app, words).look_over();
}

std::string no_such_option(const CLI::App& command, std::string_view written) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    const std::vector<std::string>& own = option->get_lnames();
    names.insert(names.end(), own.begin(), own.end());
  }
  const std::string_view name =
      written.substr(std::min(written.find_first_not_of('-'), written.size()));
  return "there is no option '" + std::string(written) + "'" +
         suggestion(name, names, written.starts_with('-') ? "--" : "");
}

void parse(CLI::App& app, std::vector<std::string> words) {
  std::ranges::reverse(words);
  app.parse(std::move(words));
}

std::string path_of(const CLI::App& command) {
  const CLI::App* above = command.get_parent();
  return (above == nullptr ? "" : path_of(*above) + " ") + command.get_name();
}

}  // namespace eddy::tools
