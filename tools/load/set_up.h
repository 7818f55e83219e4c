// What a result was measured with: what someone wants to know who reads it a year later.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace eddy::load {

struct SetUp {
  std::string version;  // eddy's
  std::string command;  // this process's, as a shell would take it
  std::string ended;    // now: "2026-11-23T08:00:00Z"
  std::string kernel;   // "Linux 6.1.0 x86_64"
  std::string cpu;      // its model; empty if it is not known
  unsigned cpus = 0;    // that this process may run on
};
SetUp look_at_set_up();

// Words as one line for a shell. What a header or a field with a secret says (Authorization,
// Cookie and their like) is left out, since reports are passed on.
std::string shell_line(const std::vector<std::string>& words);

}  // namespace eddy::load
