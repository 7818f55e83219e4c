// Requests to a datagram echo server: each is one datagram, and so is its answer.
//
// What it is: traffic over connected UDP sockets, one a seat. A request begins with its number, by
// which its answer is known among those that come in another order. One that is lost is timed out,
// and its socket goes on; an answer that comes after that, or for a second time, is counted and
// leaves all as it is (`Record::strays`). What an ICMP message tells (a port where nobody listens),
// and a send that fails, is trouble: what is in flight on that socket is lost, and another socket
// is made after a while.
//
// The datagrams of a turn leave together, and are made in place: a request's memory is its own
// until its answer has come.
//
// Threads: the reactor's alone.
#pragma once

#include <eddy/net/datagram.h>

#include <string_view>
#include <vector>

#include "load/pattern.h"
#include "load/traffic.h"

namespace eddy::load {

class DatagramTraffic final : public Traffic {
 public:
  // A request is at least as long as its number, and at most what IPv4 carries (udp(7)).
  static constexpr uint64_t kLeastBytes = 8;
  static constexpr uint64_t kMostBytes = 65'507;

  DatagramTraffic(Reactor& reactor, const LoadOptions& options, const Schedule& schedule,
                  Events events);

  void open() override;
  void tend() override;
  // Nothing ends a socket on purpose.
  bool kill(size_t, Kill) override { return false; }
  size_t open_connections() const override { return open_; }
  bool is_closed() const override { return open_ == 0; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  // A request that is in flight, or could be.
  struct Place {
    Request request;
    SliceOwner owner;  // of its datagram, which is in the socket's queue if it is counted on
    uint32_t turn =
        0;  // how many requests have been here: with the place's number, a request's own
    uint32_t before = kNone;  // of those in flight on this socket, in the order of their sending
    uint32_t behind = kNone;  // … or of the free ones
    bool is_in_flight = false;
  };
  struct Seat {
    Datagram socket;
    uint32_t number = 0;
    uint32_t oldest = kNone;  // places; in flight
    uint32_t newest = kNone;
    uint32_t free = kNone;
    uint32_t in_flight = 0;
    bool in_trouble = false;  // counted already, and being ended
  };
  // What a datagram begins with.
  struct Number {
    uint32_t place;
    uint32_t turn;
  };
  static_assert(sizeof(Number) == kLeastBytes);

  void begin_all() override;
  void close_all(TimePoint now) override;
  void send_due() override;

  DatagramOptions socket_options(uint32_t number);
  void fill(Seat& seat);
  void on_datagram(Seat& seat, const Slice& bytes);
  void on_close(Seat& seat);
  void fail(Seat& seat, Trouble trouble, const std::string& cause);
  bool can_send(const Seat& seat) const;
  void send_first(Seat& seat);
  void send_next(Seat& seat, uint32_t count);
  void think_and_send(Seat& seat);
  void offer(Seat& seat);
  void send(Seat& seat, TimePoint intended, uint32_t kind);
  void take_answer(Seat& seat, uint32_t place, std::string_view bytes);
  void go_on(Seat& seat, uint32_t count);
  const Request& take(Seat& seat, uint32_t number);
  void drop_all(Seat& seat, uint64_t Requests::* how);
  void time_out(Seat& seat, TimePoint now);
  Place& place_of(const Seat& seat, uint32_t place) {
    return places_[size_t{seat.number} * options().depth + place];
  }
  char* message_of(const Seat& seat, uint32_t place) {
    return messages_.data() + (size_t{seat.number} * options().depth + place) * options().size;
  }

  std::vector<Seat> seats_;
  std::vector<Place> places_;   // `depth` for each seat
  std::vector<char> messages_;  // of each place; all alike but for the number that they begin with
  Pattern pattern_;
  std::vector<uint32_t> troubled_;  // seats to be filled at the next `tend`
  size_t open_ = 0;
};

}  // namespace eddy::load
