// The contract that every backend keeps: operations are started, completions come.
//
// What it is: the part of a reactor that talks to the kernel about descriptors. io_uring works in
// completions by nature; epoll tries the call or waits for readiness, and reports a completion all
// the same. Who starts operations never knows which one it has.
//
// Rules, for the backend:
//  - An operation's completion is delivered from `dispatch`, never from inside the call that
//    started it. (`send` alone may know its result at once and returns it: it is called from
//    `Slot::flush`, where no user's code is on the stack.)
//  - accept, receive and watch go on until they are stopped, or until they end with an error. At
//    most one operation of each kind is under way per slot.
//  - After `close`, the only completion is `on_closed`, once nothing of the slot is under way in
//    the kernel.
//  - Completions that carry bytes advance the buffer ring in the kernel's order, also when their
//    slot is closing.
// Rules, for the caller:
//  - One send of a slot at a time; the queue's described bytes stay as they are until its
//    completion.
//  - A slot stays in memory until the end of the turn in which `on_closed` came.
//
// Threads: the reactor's alone.
#pragma once

#include <eddy/core/error.h>
#include <eddy/core/slot.h>
#include <eddy/core/turn.h>
#include <limits.h>
#include <stdint.h>

#include <span>
#include <string>

namespace eddy {

enum class BackendKind : uint8_t { kAuto, kEpoll, kUring };
const char* to_string(BackendKind kind);

// `Backend::send`: the result comes with `Slot::on_send`.
inline constexpr int kPending = INT_MIN;

// What a call made by hand has found, on its stream's descriptor.
enum class Found : uint8_t {
  kMore,  // as much as was asked for, or nobody knows: there may be more
  kLess,  // less than was asked for: of TCP that is all there is
  kNone,  // -EAGAIN
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual BackendKind kind() const = 0;

  // Takes the slot's descriptor in. A listener or a watch is idle until `accept` or `watch`. 0, or
  // a negative errno, and then the descriptor is still the caller's: -EPERM for what has no
  // readiness to wait for (epoll_ctl(2)), which a slot of the kind kOther may turn out to be.
  virtual int add(Slot& slot) = 0;

  virtual void accept(Slot& slot) = 0;
  virtual void stop_accepting(Slot& slot) = 0;
  // As `stop_accepting`, for good, but no connection that the kernel has taken already is lost: it
  // still comes, however many, and on_accept(-ECANCELED) after the last. True: there is none, and
  // nothing comes.
  virtual bool finish_accepting(Slot& slot) = 0;

  // Bytes come in slices of the reactor's BufferRing until `stop_receiving`, the end of input or an
  // error. What was under way at `stop_receiving` still comes: at most the slot's quota.
  virtual void receive(Slot& slot) = 0;
  virtual void stop_receiving(Slot& slot) = 0;

  // Sends from the head of the queue: bytes taken (at least 1), a negative errno, or kPending.
  virtual int send(Slot& slot, SliceQueue& queue) = 0;

  // In the place of `send`, for a slot that has had its share of this turn: what is queued goes in
  // the next one, and completes like what was kPending.
  virtual void send_next_turn(Slot& slot) = 0;

  // What follows on the slot's send waits for its completion: the loop must not sleep before, if it
  // is not for the socket that the send waits.
  virtual void await_send() {}

  // Asks for the end of the send under way: it completes with what was taken, perhaps 0.
  virtual void interrupt_send(Slot& slot) = 0;

  // For who moves bytes by calls of its own (sendfile(2), splice(2), sendmmsg(2)), while no
  // receive, or no send, is asked for: tells once, by on_input or on_room in a later turn, that a
  // call is worth making. `found` is how the last one ended. Of input, not before a receive that
  // was under way has ended.
  virtual void await_input(Slot& slot, Found found) = 0;
  virtual void await_room(Slot& slot, Found found) = 0;
  // `await_input` looks for itself before it waits: a call that would find nothing can be spared.
  virtual bool await_looks() const { return false; }

  // In place of `add`, for a socket that is not connected yet. The address is copied. Completes
  // with 0 or a negative errno; after a failure the slot is good for `close` alone.
  virtual void connect(Slot& slot, const sockaddr* address, socklen_t length) = 0;

  // For a slot of the role kMessages, in place of `receive`: messages come one by one, until
  // `stop_receiving`. An error does not end it. What was under way at `stop_receiving` still comes:
  // as many as there are pieces at the most. 0, or -ENOMEM and its like where the memory for
  // messages cannot be had.
  virtual int receive_messages(Slot& slot) = 0;

  // `to`, which has no descriptor, takes that of `from`, whose connect has succeeded and of which
  // nothing is under way: as if it had been added. `from` is the caller's to retire, without an
  // on_closed.
  virtual void hand_over(Slot& from, Slot& to) = 0;

  // Level-triggered: on_ready comes once a turn while one of `interest`, a hang-up or an error
  // holds. kNone stops it.
  virtual void watch(Slot& slot, Interest interest) = 0;

  // Ends all operations, closes the descriptor (unless `slot.release_descriptor`), then on_closed.
  // A slot that was never added, and has no descriptor (fd -1), may be closed too.
  virtual void close(Slot& slot) = 0;

  // --- A turn: wait, then dispatch.
  // Hands over what was started, and waits for a completion: timeout_ns < 0 waits without an end, 0
  // not at all. Returns early when interrupted by a signal. 0, or a negative errno if the kernel
  // refuses to wait, which is beyond repair.
  virtual int wait(int64_t timeout_ns) = 0;
  // Hands over what was started, for a foreign loop that then waits for `poll_descriptor`; true if
  // it must not wait, since something is about to be dispatched.
  virtual bool submit() { return false; }
  virtual void dispatch() = 0;
  // Something would be dispatched without waiting.
  virtual bool has_ready() const = 0;
  // Something was started that the kernel has not been told of.
  virtual bool has_unsubmitted() const { return false; }

  // Becomes readable when `wait(0)` and `dispatch` would find something to do. A negative errno if
  // it cannot be had.
  virtual int poll_descriptor() = 0;
  // Whether `poll_descriptor` is an eventfd, which may be written to wake whoever polls it.
  virtual bool polls_eventfd() const { return false; }
  // Operations that the kernel has; 0 once every slot has closed.
  virtual size_t in_flight() const = 0;
  // Streams wait for a segment of the buffer ring, and none is free.
  virtual bool starves() const = 0;
};

}  // namespace eddy
