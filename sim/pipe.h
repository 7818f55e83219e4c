// pipe(2) of the simulated kernel: two files, and the pages of bytes between them.
//
// What it is: what pipe(7) says, at Linux's grain: sixteen pages, each written once and added to
// while there is room at its end. So a full pipe can be written again when a whole page has been
// read, not before, and writes of up to PIPE_BUF bytes go in at once or not at all.
#pragma once

#include <eddy/sim/file.h>

#include <utility>

namespace eddy::sim {

class HostKernel;
class Simulation;

// The reading end and the writing end.
std::pair<FileRef, FileRef> make_pipe(Simulation& simulation, HostKernel& host);

}  // namespace eddy::sim
