#include "load/store_mix.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <string>
#include <utility>

namespace eddy::load {
namespace {

struct Named {
  const char* name;
  StoreCommand command;
};
constexpr auto kRedis = std::to_array<Named>({{"get", StoreCommand::kGet},
                                              {"set", StoreCommand::kSet},
                                              {"incr", StoreCommand::kIncr},
                                              {"del", StoreCommand::kDel},
                                              {"ping", StoreCommand::kPing}});
constexpr auto kMemcached = std::to_array<Named>({{"get", StoreCommand::kGet},
                                                  {"gets", StoreCommand::kGets},
                                                  {"set", StoreCommand::kSet},
                                                  {"add", StoreCommand::kAdd},
                                                  {"replace", StoreCommand::kReplace},
                                                  {"incr", StoreCommand::kIncr},
                                                  {"decr", StoreCommand::kDecr},
                                                  {"delete", StoreCommand::kDel},
                                                  {"touch", StoreCommand::kTouch},
                                                  {"version", StoreCommand::kPing}});

std::span<const Named> commands_of(Protocol protocol) {
  if (protocol == Protocol::kMemcached) return kMemcached;
  return kRedis;
}

std::unexpected<Error> refused(Protocol protocol, std::string_view part) {
  std::string advice = "it is written get=9,set=1, of";
  for (const Named& each : commands_of(protocol)) advice += std::string(" ") + each.name;
  return std::unexpected(Error(std::make_error_code(std::errc::invalid_argument), "mix",
                               std::string(part), std::move(advice)));
}

}  // namespace

const char* name_of(Protocol protocol, StoreCommand command) {
  const auto commands = commands_of(protocol);
  const auto found = std::ranges::find(commands, command, &Named::command);
  return found != commands.end() ? found->name : "";
}

Result<void> parse_store_mix(std::string_view text, LoadOptions& options) {
  const auto commands = commands_of(options.protocol);
  std::vector<double> weights;
  options.store.commands.clear();
  options.kind_names.clear();
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    const std::string_view name = part.substr(0, part.find('='));
    const auto found =
        std::ranges::find_if(commands, [&](const Named& each) { return name == each.name; });
    double weight = 1;
    if (name.size() < part.size()) {
      const char* const end = part.data() + part.size();
      const auto read = std::from_chars(name.data() + name.size() + 1, end, weight);
      if (read.ec != std::errc{} || read.ptr != end) return refused(options.protocol, part);
    }
    if (found == commands.end()) return refused(options.protocol, part);
    options.store.commands.push_back(found->command);
    options.kind_names.emplace_back(name);
    weights.push_back(weight);
  }
  if (weights.empty()) return refused(options.protocol, text);
  auto mix = Mix::make(weights);
  if (!mix) return std::unexpected(mix.error());
  options.mix = std::move(*mix);
  return {};
}

}  // namespace eddy::load
