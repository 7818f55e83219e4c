// eddy resolve: what the resolver finds, one address a line.
#include <eddy/core/reactor.h>
#include <eddy/net/resolver.h>
#include <stdio.h>
#include <stdlib.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "arguments.h"
#include "command.h"

namespace eddy::tools {
namespace {

struct ResolveOptions {
  std::string host;
  std::string service;
  bool ipv4 = false;
  bool ipv6 = false;
  bool canonical = false;
  ResolveHints hints;
  ReactorOptions reactor;
};

// Without a port, which nobody asked for, and the brackets that set it off.
std::string host_of(const Address& address) {
  std::string text = address.to_string();
  text.erase(text.rfind(':'));
  if (text.starts_with('[')) text = text.substr(1, text.size() - 2);
  return text;
}

int print(const ResolveOptions& options, const Result<ResolvedName>& found) {
  if (!found) return report(found.error());
  if (options.canonical) puts(found->canonical_name.c_str());
  for (const Address& address : found->addresses) {
    puts((options.service.empty() ? host_of(address) : address.to_string()).c_str());
  }
  return 0;
}

int run_resolve(ResolveOptions& options) {
  if (options.ipv4 != options.ipv6) options.hints.family = options.ipv4 ? AF_INET : AF_INET6;
  if (options.canonical) options.hints.flags |= AI_CANONNAME;
  auto reactor = Reactor::open(options.reactor);
  if (!reactor) return report(reactor.error());
  Resolver resolver(**reactor);
  int status = 0;
  const auto asked =
      resolver.resolve(options.host, options.service, options.hints,
                       [&](const Result<ResolvedName>& found) { status = print(options, found); });
  if (!asked) return report(asked.error());
  const int failed = (*reactor)->run();
  if (failed != 0) status = failed;
  // Its time has passed, and main's return would wait for it.
  if (resolver.stats().threads.running != 0 && fflush(stdout) == 0) quick_exit(status);
  return status;
}

}  // namespace

Command make_resolve(CLI::App& app) {
  auto options = std::make_shared<ResolveOptions>();
  CLI::App* command = app.add_subcommand("resolve", "Look up a name: its addresses, in order");
  command->add_option("NAME", options->host, "A host's name or address; * is this machine")
      ->required();
  command->add_option("SERVICE", options->service, "A service's name or port");
  command->add_flag("-4", options->ipv4, "IPv4 alone")->disable_flag_override();
  command->add_flag("-6", options->ipv6, "IPv6 alone")->disable_flag_override();
  command->add_flag("--canonical", options->canonical, "The canonical name first")
      ->disable_flag_override();
  add_option(*command, "--timeout", options->hints.timeout, kDuration,
             {std::chrono::nanoseconds(0), std::chrono::hours(1)}, "0s",
             "Give up after so long; 0 is as long as the system takes");
  add_reactor_options(*command, options->reactor);
  command->footer(
      "As getaddrinfo(3) finds them, so by /etc/hosts, nsswitch.conf and DNS.\n\n"
      "Exit status: 0; 1 the loop failed; 2 bad arguments, or there is no such name.");
  return {command, [options] { return run_resolve(*options); }};
}

}  // namespace eddy::tools
