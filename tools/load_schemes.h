// Options of `eddy load` that are for some targets alone.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <string_view>

namespace eddy::tools {

// What was given and means nothing for this target, if anything: "--method is for …".
std::string check_schemes(const CLI::App& command, std::string_view target);

}  // namespace eddy::tools
