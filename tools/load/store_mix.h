#pragma once

#include <eddy/core/error.h>

#include <string_view>

#include "load/options.h"

namespace eddy::load {

// Reads "get=9,set=1": commands of the options' protocol and their weights, 1 unless it is given.
// Sets the options' mix, its names and the store's commands.
Result<void> parse_store_mix(std::string_view text, LoadOptions& options);

// The command as a mix has it.
const char* name_of(Protocol protocol, StoreCommand command);

}  // namespace eddy::load
