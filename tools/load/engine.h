// The connections of one reactor and the requests on them: kept up, kept busy, and accounted for.
//
// What it is: traffic over streams: a fixed number of seats. Each is filled by one connection after
// another, which carry up to `depth` requests at once. What the bytes of a request and of its
// answer are is for the protocol to say, which derives from this class.
//
// Threads: the reactor's alone.
#pragma once

#include <eddy/core/reactor.h>
#include <eddy/net/connector.h>

#include <deque>
#include <string>
#include <vector>

#include "load/traffic.h"

namespace eddy::load {

class Engine : public Traffic {
 public:
  Engine(Reactor& reactor, const LoadOptions& options, const Schedule& schedule, Events events);

  void open() final;
  void tend() final;
  bool kill(size_t number, Kill how) final;
  size_t open_connections() const final { return open_; }
  bool is_closed() const final { return open_ + connecting_ == 0; }

 protected:
  struct Seat {
    Stream stream;
    uint32_t number = 0;
    uint32_t connections = 0;  // that it has had
    uint32_t oldest = 0;       // request in flight, as a place in the seat's ring
    uint32_t in_flight = 0;
    uint64_t sent = 0;     // requests on this connection
    TimePoint since;       // connect was called, or it was retired
    TimePoint opened;      // the connect has succeeded
    TimePoint first_byte;  // of the answer amid which it is
    bool settled = false;
    bool stands = false;  // it can carry requests, and has not ended
    bool is_amid_answer = false;
    bool is_retired = false;  // it takes no more requests, and ends when all is answered
    bool in_trouble = false;  // counted already, and being ended
  };

  Request& request_of(const Seat& seat, uint32_t place) {
    if (place >= options_.depth) place -= options_.depth;
    return ring_[size_t{seat.number} * options_.depth + place];
  }

  // --- The protocol
  // There is a connection in this seat: none of its bytes has gone or come.
  virtual void start(Seat& seat) = 0;
  // Connections begin with a handshake of the protocol's, which calls `stand` when it is over.
  virtual bool has_handshake() const { return false; }
  void stand(Seat& seat);
  // `agreed`: on what, as Handshakes has it.
  void add_handshake(const Seat& seat, bool is_resumed, const std::string& agreed);
  // Sends `count` requests, those in the ring from `first` on.
  virtual void write(Seat& seat, uint32_t first, uint32_t count) = 0;
  // Takes bytes and calls `answered`, `answered_wrong` or `fail` for what is in them. True: they
  // end amid an answer.
  virtual bool receive(Seat& seat, std::string_view bytes) = 0;

  // The server has ended its side, which carries nothing any more: calls `fail` or `retire`.
  virtual void receive_end(Seat& seat) { fail(seat, Trouble::kLost, "closed by the server"); }

  // This side is about to end its own: the last that the protocol may send.
  virtual void end_output(Seat&) {}
  void close_stream(Seat& seat);

  // For who takes several pieces in one call of `receive`.
  void set_amid_answer(Seat& seat, bool is_amid) const {
    if (is_amid && !seat.is_amid_answer) seat.first_byte = now_;
    seat.is_amid_answer = is_amid;
  }

  // The oldest request in flight has its answer; there must be one.
  void answered(Seat& seat, AnswerClass what = kNoClass);
  // … which is not what was asked for. The connection goes on.
  void answered_wrong(Seat& seat, const std::string& cause, AnswerClass what = kNoClass);
  // The connection is of no use any more.
  void fail(Seat& seat, Trouble trouble, const std::string& cause);
  // The connection takes no more requests.
  void retire(Seat& seat);

 private:
  StreamOptions stream_options();
  void fill(Seat& seat);
  void fill_more();
  bool is_ahead_of_ramp();
  void settle(Seat& seat);
  void tell_if_stranded();
  Seat& seat_of(const Stream& peer);
  void on_open(Seat& seat);
  void on_data(Seat& seat, const Slice& bytes);
  void on_end(Seat& seat);
  void on_close(Seat& seat, std::error_code code);

  void send_first(Seat& seat);
  uint32_t allowed(const Seat& seat, uint32_t count) const;
  void send_next(Seat& seat, uint32_t count);
  void think_and_send(Seat& seat, uint32_t count);
  void offer(Seat& seat);
  void send_due() final;
  void add(Seat& seat, TimePoint intended, TimePoint now, uint32_t kind);

  void go_on(Seat& seat, uint32_t count);
  const Request& take_oldest(Seat& seat);
  void drop(Seat& seat, uint64_t Requests::* how);
  void drop_all(Seat& seat, uint64_t Requests::* how);
  void record_waiting(const Seat& seat, TimePoint now);
  void tend_seat(Seat& seat, TimePoint now);
  void begin_all() final;
  void close_all(TimePoint now) final;

  std::vector<Seat> seats_;
  std::vector<Request> ring_;    // those in flight: `depth` for each seat
  std::deque<size_t> empty_;     // seats to be filled as soon as may be
  std::deque<size_t> troubled_;  // … and at the next `tend`
  TimerId ramp_timer_;
  TimePoint next_seat_;  // may be filled for the first time
  size_t connecting_ = 0;
  size_t open_ = 0;
  size_t settled_ = 0;
  Connector connector_;
};

}  // namespace eddy::load
