#include "load_profile.h"

#include <toml++/toml.h>
#include <optional>
#include <sstream>
#include <string_view>
#include <vector>

#include "command_line.h"
#include "load/text_file.h"

namespace eddy::tools {
namespace {

// What is wrong, and where.
struct Fault {
  toml::source_position place;
  std::string what;
};

// A value as it is written on the command line; none for an array or a table.
std::optional<std::string> text_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (!node.is_number() && !node.is_boolean()) return std::nullopt;
  std::ostringstream text;
  node.visit([&text](const auto& value) {
    if constexpr (toml::is_integer<decltype(value)>) text << value.get();
    if constexpr (toml::is_floating_point<decltype(value)>) text << value.get();
    if constexpr (toml::is_boolean<decltype(value)>) text << (value.get() ? "true" : "false");
  });
  return text.str();
}

class Profile {
 public:
  explicit Profile(CLI::App& command) : command_(command) {}

  // What is wrong in it, if anything.
  std::optional<Fault> take(const toml::table& table) {
    for (const auto& [key, node] : table) {
      take_option(std::string(key.str()), key.source().begin, node);
      if (fault_) break;
    }
    return fault_;
  }

 private:
  void fail(const toml::source_position& place, const std::string& what) {
    if (!fault_) fault_ = Fault{place, what};
  }

  void take_option(const std::string& key, const toml::source_position& place,
                   const toml::node& node) {
    CLI::Option* option = command_.get_option_no_throw(key == "target" ? key : "--" + key);
    if (option == nullptr || key == "profile" || key == "help") {
      return fail(place, no_such_option(command_, key));
    }
    const std::vector<std::string> values = values_of(key, node);
    // The command line comes first.
    if (fault_ || option->count() > 0) return;
    if (option->get_expected_max() == 0) {
      if (!node.is_boolean()) return fail(node.source().begin, "'" + key + "' is true or false");
      if (!node.as_boolean()->get()) return;
    }
    try {
      for (const std::string& value : values) option->add_result(value);
      option->run_callback();
    } catch (const CLI::ParseError& error) {
      fail(node.source().begin, error.what());
    }
  }

  std::vector<std::string> values_of(const std::string& key, const toml::node& node) {
    if (key == "rate" && node.is_array_of_tables()) return {phases_of(*node.as_array())};
    if (key == "mix" && node.is_table()) return {mix_of(*node.as_table())};
    if (const auto text = text_of(node)) return {*text};
    std::vector<std::string> values;
    if (node.is_array()) {
      for (const toml::node& each : *node.as_array()) values.push_back(value_of(each));
    }
    if (values.empty())
      fail(node.source().begin, "'" + key + "' has no value that an option takes");
    return values;
  }

  std::string value_of(const toml::node& node) {
    const auto text = text_of(node);
    if (!text) fail(node.source().begin, "a value is a text, a number, true or false");
    return text.value_or("");
  }

  // As `mix` is on the command line: "get=9,set=1".
  std::string mix_of(const toml::table& table) {
    std::string text;
    for (const auto& [name, weight] : table) {
      text.append(text.empty() ? "" : ",").append(name.str()).append("=").append(value_of(weight));
    }
    return text;
  }

  // As `rate` is: "0..10k:1m,10k".
  std::string phases_of(const toml::array& phases) {
    std::string text;
    for (const toml::node& node : phases) {
      const toml::table& phase = *node.as_table();
      for (const auto& [key, value] : phase) {
        if (key.str() != "from" && key.str() != "to" && key.str() != "length") {
          fail(key.source().begin, "a phase of a rate has 'from', 'to' and 'length'");
        }
      }
      if (!phase.contains("from")) fail(node.source().begin, "a phase of a rate has a 'from'");
      if (fault_) return {};
      text.append(text.empty() ? "" : ",").append(value_of(*phase.get("from")));
      if (const toml::node* to = phase.get("to")) text.append("..").append(value_of(*to));
      if (const toml::node* length = phase.get("length"))
        text.append(":").append(value_of(*length));
    }
    return text;
  }

  CLI::App& command_;
  std::optional<Fault> fault_;
};

std::string told(const std::string& path, const toml::source_position& place,
                 std::string_view what) {
  return path + ":" + std::to_string(place.line) + ":" + std::to_string(place.column) + ": " +
         std::string(what);
}

}  // namespace

std::string take_profile(const std::string& path, CLI::App& command) {
  const auto text = load::read_file(path, load::kMostTextBytes);
  if (!text) return text.error().message();
  try {
    const toml::table table = toml::parse(*text, path);
    const auto fault = Profile(command).take(table);
    return fault ? told(path, fault->place, fault->what) : "";
  } catch (const toml::parse_error& error) {
    return told(path, error.source().begin, error.description());
  }
}

}  // namespace eddy::tools
