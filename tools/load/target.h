// What is loaded: an address, or a name that has to be looked up, and what is spoken there.
#pragma once

#include <eddy/core/reactor.h>
#include <eddy/net/address.h>
#include <eddy/net/http/url.h>

#include <optional>
#include <string>
#include <string_view>

#include "load/options.h"

namespace eddy::load {

struct Target {
  Protocol protocol = Protocol::kEcho;
  std::optional<Address> address;  // none: `host` and `service` are to be looked up
  std::string host;
  std::string service;
  http::Url url;  // of http:// and https://
};

// tcp://HOST:PORT, udp://HOST:PORT, unix:PATH, unix:@NAME, http://HOST[:PORT][/PATH],
// https://HOST[:PORT][/PATH], redis://HOST[:PORT], memcached://HOST[:PORT].
Result<Target> parse_target(std::string_view text);

// The first address of the target's name, or its own. Runs the reactor, which has nothing else to
// do yet, until it is known.
Result<Address> address_of(Reactor& reactor, const Target& target);

}  // namespace eddy::load
