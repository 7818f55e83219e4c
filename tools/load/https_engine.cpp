#include "load/https_engine.h"

#include <algorithm>
#include <string>
#include <utility>

namespace eddy::load {

using Event = tls::Session::Event;

HttpsEngine::HttpsEngine(Reactor& reactor, const LoadOptions& options, const Schedule& schedule,
                         Events events)
    : HttpEngine(reactor, options, schedule, std::move(events)),
      tls_(options.tls, options.connections) {}

void HttpsEngine::start(Seat& seat) {
  HttpEngine::start(seat);
  if (const auto begun = tls_.start(seat.number, seat.stream); !begun) {
    fail(seat, Trouble::kTls, cause_of(begun.error()));
  }
}

void HttpsEngine::write(Seat& seat, uint32_t, uint32_t count) {
  each_piece(count, [&](std::string_view piece) { tls_.send(seat.number, seat.stream, piece); });
}

bool HttpsEngine::receive(Seat& seat, std::string_view bytes) {
  while (!seat.in_trouble) {
    const auto event = tls_.next(seat.number, seat.stream, bytes);
    if (!event) {
      give_up(seat, cause_of(event.error()));
      break;
    }
    if (*event == Event::kNeedMore) break;
    if (*event == Event::kHandshake) end_handshake(seat);
    if (*event == Event::kPlaintext) {
      set_amid_answer(seat, HttpEngine::receive(seat, tls_.session(seat.number).plaintext()));
    }
    if (*event == Event::kEnd) {
      take_end(seat);
      break;
    }
  }
  return seat.is_amid_answer;
}

// Amid the handshake nothing is queued but the alert that tells the server why (RFC 8446, section
// 6.2), and it leaves first. Later a server that does not read would hold it up.
void HttpsEngine::give_up(Seat& seat, const std::string& cause) {
  if (seat.stands) return fail(seat, Trouble::kTls, cause);
  seat.in_trouble = true;
  add_trouble(Trouble::kTls, cause);
  seat.stream.close();
}

void HttpsEngine::end_handshake(Seat& seat) {
  add_handshake(seat, tls_.session(seat.number).was_resumed(), tls_.agreed(seat.number));
  stand(seat);
}

// The server has said that it sends no more, and goes on to close the connection, as a rule.
void HttpsEngine::take_end(Seat& seat) {
  HttpEngine::receive_end(seat);
  if (!seat.in_trouble) close_stream(seat);
}

// The connection's input has ended, and the server has not said so before.
void HttpsEngine::receive_end(Seat& seat) {
  if (!seat.stands) {
    return fail(seat, Trouble::kTls, "the server closed the connection amid the handshake");
  }
  if (seat.in_flight > 0) {
    return fail(seat, Trouble::kLost, "closed by the server, without TLS's close_notify");
  }
  HttpEngine::receive_end(seat);
}

void HttpsEngine::end_output(Seat& seat) {
  if (seat.stands) tls_.shut_down(seat.number, seat.stream);
}

}  // namespace eddy::load
