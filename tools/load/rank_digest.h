// What ranks of one run must have been told alike.
//
// Threads: any.
#pragma once

#include <string>

#include "load/options.h"

namespace eddy::load {

// A few bytes that are the same for options that make the same load. Left out is what may well
// differ from machine to machine: the target (several ways to one server may be loaded), where
// connections come from, how long is polled, the reactor, and where results go.
std::string rank_digest(const LoadOptions& options);

}  // namespace eddy::load
