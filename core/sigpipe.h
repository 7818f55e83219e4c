// SIGPIPE, for programs that move much by sendfile(2) and splice(2).
//
// What it is: nothing that eddy does raises SIGPIPE. Where a call has no MSG_NOSIGNAL (sendfile,
// splice, writev), the signal is blocked meanwhile, which is two system calls more for each. A
// program that ignores SIGPIPE anyway, as most servers do, says so here and saves them.
//
// Threads: any.
#pragma once

namespace eddy {

// Ignores SIGPIPE in the whole process, for good: where the program gives it another disposition
// afterwards, a peer that has gone may end it by the signal. Children inherit what is ignored
// (signal(7)), except those of eddy's own Process.
void ignore_sigpipe();

}  // namespace eddy
