// pipe(2) of the simulated kernel: two files, and the pages of bytes between them.
//
// What it is: what pipe(7) says, at Linux's grain: sixteen pages at first, each written once and
// added to while there is room at its end. So a full pipe can be written again when a whole page
// has been read, not before, and writes of up to PIPE_BUF bytes go in at once or not at all. What
// is spliced in (splice(2)) takes pages of its own, which nothing is added to.
#pragma once

#include <eddy/sim/file.h>

#include <utility>

namespace eddy::sim {

class HostKernel;
class Simulation;

// The reading end and the writing end.
std::pair<FileRef, FileRef> make_pipe(Simulation& simulation, HostKernel& host);

// fcntl(2), F_SETPIPE_SZ: the size that it has now; -EBUSY for less than it holds.
int resize_pipe(File& end, int size);

// splice(2) into a pipe and out of one, without blocking: -EAGAIN, also where the pipe is full.
// -EINVAL if the file at the pipe's side is none, -EBADF at the wrong end of it.
ssize_t fill_pipe(File& from, File& to, size_t size);
ssize_t empty_pipe(File& from, File& to, size_t size);

}  // namespace eddy::sim
