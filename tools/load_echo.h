// The connections of a run against an echo server: kept up, kept busy, and checked.
//
// What it is: a fixed number of seats. Each is filled by one connection after another, keeps
// `depth` requests in flight once `begin` was called, and expects the very bytes back. What a
// connection is and was doing lies in its Stream's state; a seat is only how it is found again.
//
// Latency is from the moment a request is handed to the stream until the callback that brings its
// last byte, both of this process's clock: what the client itself delays is in it.
#pragma once

#include <eddy/core/histogram.h>
#include <eddy/core/reactor.h>
#include <eddy/net/connector.h>

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "load_options.h"
#include "load_pattern.h"
#include "load_report.h"

namespace eddy::tools {

// How a connection is ended on purpose.
enum class Kill : uint8_t { kReset, kClose, kHalfClose };

class EchoLoad {
 public:
  struct Events {
    std::function<void()>
        settled;  // each seat has been filled, or could not be, for the first time
    std::function<void()> drained;  // after `wind_down`: nothing is in flight any more
  };
  EchoLoad(Reactor& reactor, const LoadOptions& options, Events events);

  // --- The course of a run, in this order
  void open();
  void begin();  // the first requests
  void measure_from(TimePoint begin) { window_begin_ = begin; }
  void wind_down();  // no new requests, no new connections
  void close();      // what is still in flight is unanswered; the connections end

  // Ends connections whose answers are overdue, and fills the seats of those that met trouble.
  // Called now and then.
  void tend();
  // False if there is no connection in that seat.
  bool kill(size_t seat, Kill how);

  // --- Looking
  size_t open_connections() const { return open_; }
  uint64_t connected() const { return connected_; }
  const Requests& requests() const { return requests_; }
  uint64_t in_flight() const;
  uint64_t bytes_received() const { return bytes_received_; }
  const Troubles& troubles() const { return troubles_; }
  const Churned& churned() const { return churned_; }
  const Histogram& latency() const { return latency_; }
  // No answer has come, and there was trouble several times for each seat.
  bool hopeless() const;

 private:
  struct Session;
  struct Seat {
    Stream stream;
    uint32_t uses = 0;
    bool settled = false;
  };

  StreamOptions stream_options();
  void fill(size_t number);
  void fill_more();
  void settle(Seat& seat);
  void tell_if_drained();
  void on_open(Stream& peer);
  void on_data(Stream& peer, const Slice& bytes);
  void on_end(Stream& peer);
  void on_close(Stream& peer, std::error_code code);
  const char* check(Session& session, std::string_view bytes);
  uint32_t take_answers(Session& session, size_t bytes);
  void send_requests(Stream& peer, Session& session, uint32_t count);
  void fail(Stream& peer, Trouble trouble, const char* cause);
  void add_trouble(Trouble trouble, const std::string& cause);
  void tend_connection(Stream& peer, TimePoint now);
  void record_waiting(const Session& session, TimePoint now);
  TimePoint& start_of(const Session& session, uint32_t request);

  Reactor& reactor_;
  const LoadOptions& options_;
  const Events events_;
  Pattern pattern_;
  Histogram latency_;
  TimePoint window_begin_ = TimePoint::max();
  std::vector<Seat> seats_;
  std::vector<TimePoint>
      starts_;                   // of the requests in flight: `depth` for each seat, used in a ring
  std::deque<size_t> empty_;     // seats to be filled as soon as may be
  std::deque<size_t> troubled_;  // … and at the next `tend`
  size_t connecting_ = 0;
  size_t open_ = 0;
  size_t settled_ = 0;
  bool begun_ = false;
  bool winding_down_ = false;
  bool closing_ = false;
  uint64_t pieces_ = 0;
  uint64_t bytes_received_ = 0;
  uint64_t connected_ = 0;
  uint64_t trouble_count_ = 0;
  Requests requests_;
  Troubles troubles_;
  Churned churned_;
  Connector connector_;
};

}  // namespace eddy::tools
