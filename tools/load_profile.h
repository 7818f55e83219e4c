// Options of `eddy load` from a file, for scenarios that are longer than a command line.
//
//   target = "http://127.0.0.1:8080/"
//   connections = 100
//   header = ["Accept: text/html", "X-Test: 1"]
//   json = true
//
//   [mix]
//   get = 9
//   set = 1
//
//   [[rate]]
//   from = "0"
//   to = "10k"
//   length = "1m"
//
// What it is: TOML (toml.io, 1.0), whose keys are the options' long names and whose values are as
// on the command line; numbers may be numbers, options that may be repeated have an array. The
// phases of a rate may be tables of their own, as may the weights of a mix.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace eddy::tools {

// Gives the command, whose line has been parsed, what the line did not say. What is wrong, if
// anything: "load.toml:3:1: there is no option 'conections'; connections?".
std::string take_profile(const std::string& path, CLI::App& command);

}  // namespace eddy::tools
