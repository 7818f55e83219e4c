// A connection that goes from one reactor to another.
//
// The rule of quiescence: from the call on, nothing of the stream is told where it leaves. What it
// has queued is sent first; what had been received and was not delivered (it was paused, or this is
// one of its callbacks) goes along and is delivered first where it arrives. So a stream may move
// between any two callbacks; what the user keeps about it, a part of a request, say, has to be
// moved by the user: into `arrived`, which is its beginning where it arrives: there is no on_open,
// which it has had (one that moves before its on_open has it where it arrives, behind `arrived`). A
// state of its own (`StreamOptions::state`) begins anew. A stream may not move after
// `shutdown_write`, since its other side would not know.
//
// If it ends before it leaves (an error, `reset`, the deadline of its queue), on_close comes where
// it was, and `arrived` is not called.
#pragma once

#include <eddy/net/reactor_pool.h>
#include <eddy/net/stream.h>

#include <functional>

namespace eddy {

// Takes the connection over in the thread where it arrives; at failure the descriptor is the
// caller's. Called once.
using TakeStream =
    std::move_only_function<Result<Stream>(Reactor& reactor, int descriptor, Slice unread)>;

// Moves it to that reactor of the pool. `arrived` is called there, before any callback of the new
// Stream. At failure, which costs the connection (it is reset), it is called with the error; with
// Errc::kClosed, if the pool has no such reactor or that has ended, by the thread that the stream
// leaves, and if it ends before the stream's turn, by its own thread, in which it runs no more.
void move_to(ReactorPool& pool, unsigned to, Stream stream, TakeStream take,
             std::move_only_function<void(Result<Stream>)> arrived = {});
// … with options that nobody else uses but streams of that reactor.
void move_to(ReactorPool& pool, unsigned to, Stream stream, SharedStreamOptions options,
             std::move_only_function<void(Result<Stream>)> arrived = {});

}  // namespace eddy
