#include "client.h"

#include <string.h>

#include <array>

namespace eddy::test {
namespace {

constexpr uint64_t kSinkAnswerMost = 1000;

// The contents of a connection, in both directions.
constexpr uint32_t to_server(uint32_t id) { return 2 * id; }
constexpr uint32_t from_server(uint32_t id) { return 2 * id + 1; }

}  // namespace

Client::Client(Reactor& reactor, const Plan& plan, const ConnectionPlan& connection,
               const Address& server, Failures& failures)
    : reactor_(reactor),
      plan_(plan),
      connection_(connection),
      server_(server),
      order_(failures, "client " + std::to_string(connection.id)),
      choices_(connection.seed),
      to_server_(to_server(connection.id)),
      from_server_(connection.program == Program::kEcho ||
                           connection.program == Program::kEchoCopies
                       ? to_server(connection.id)
                       : from_server(connection.id)) {
  start_timer_ = reactor_.start_timer(connection.start, [this] { begin(); });
}

Client::~Client() {
  for (const TimerId timer : {start_timer_, pump_timer_, leave_timer_, resume_timer_}) {
    reactor_.cancel_timer(timer);
  }
}

void Client::begin() {
  StreamOptions options = plan_.streams();
  options.read_while_full = true;  // or both could wait for the other to read
  options.on_open = [this](Stream& stream) { opened(stream); };
  options.on_data = [this](Stream&, Slice bytes) { received(bytes.view()); };
  options.on_end = [this](Stream&) { ended(); };
  options.on_drain = [this](Stream&) {
    order_.drain();
    pump();
  };
  options.on_close = [this](Stream&, std::error_code reason) { closed(reason); };
  ConnectOptions connect;
  if (plan_.calm) connect.timeout = nanoseconds(0);
  Connector connector(reactor_, std::move(options), connect);
  auto connected = connector.connect(server_);
  if (!connected) return order_.close(connected.error().code().value());
  stream_ = *connected;
  // The header may be sent before the connection stands.
  std::array<char, 4> header;
  memcpy(header.data(), &connection_.id, header.size());
  stream_.send(std::string_view(header.data(), header.size()));
  if (connection_.fate >= Fate::kGoesAway) {
    leave_timer_ = reactor_.start_timer(connection_.leaves_after, [this] { leave(); });
  }
}

void Client::opened(Stream& stream) {
  order_.open();
  order_.expect(stream == stream_, "on_open came for another stream");
  pump();
}

// Pieces until one of them is followed by a gap.
void Client::pump() {
  if (!stream_.is_open() || shut_ || left_ || reactor_.timers().deadline(pump_timer_)) return;
  while (sent_ < connection_.size) {
    if (!send_piece()) return;
    if (connection_.gap_most.count() == 0) continue;
    const auto gap = nanoseconds(static_cast<int64_t>(
        choices_.draw(static_cast<uint64_t>(connection_.gap_most.count()) + 1)));
    pump_timer_ = reactor_.start_timer(gap, [this] {
      pump_timer_ = {};
      pump();
    });
    return;
  }
  if (connection_.fate == Fate::kHalfCloses) {
    shut_ = true;
    stream_.shutdown_write();
  }
  check_complete();
}

// False when the queue is full: on_drain goes on.
bool Client::send_piece() {
  const uint64_t left = connection_.size - sent_;
  const auto most = std::min<uint64_t>(left, connection_.chunk_most);
  const std::string_view piece = to_server_.piece(sent_, 1 + choices_.draw(most));
  send_some(piece);
  sent_ += piece.size();
  return stream_.is_open() && stream_.queued_bytes() <= plan_.high_watermark_bytes;
}

// By every way there is.
void Client::send_some(std::string_view bytes) {
  bool taken = false;
  switch (choices_.draw(4)) {
    case 0: taken = stream_.send(bytes); break;
    case 1: taken = stream_.send(Slice::of_static(bytes)); break;
    case 2: taken = stream_.send(Slice::copy_of(bytes), [](std::error_code) {}); break;
    default: {
      const std::span<char> room = stream_.reserve(bytes.size());
      order_.expect(room.size() >= bytes.size(), "reserve gave less than it was asked for");
      if (room.size() < bytes.size()) return;
      memcpy(room.data(), bytes.data(), bytes.size());
      taken = stream_.commit(bytes.size());
    }
  }
  refused_ = refused_ || !taken;
}

void Client::received(std::string_view bytes) {
  order_.expect(!stream_.is_paused(), "on_data came after pause");
  order_.expect(!left_, "on_data came after close");
  order_.expect(from_server_.matches(order_.bytes(), bytes),
                "the bytes are not those that were sent");
  order_.data(bytes.size());
  order_.expect(order_.bytes() <= expected_bytes(), "more came than was sent");
  pause_now_and_then();
  check_complete();
}

uint64_t Client::expected_bytes() const {
  return connection_.program == Program::kSink
             ? std::min<uint64_t>(connection_.size, kSinkAnswerMost)
             : connection_.size;
}

void Client::pause_now_and_then() {
  if (!connection_.client_pauses || choices_.draw(8) != 0) return;
  stream_.pause();
  const auto time = nanoseconds(static_cast<int64_t>(choices_.draw(3'000'000)));
  resume_timer_ = reactor_.start_timer(time, [this] {
    if (stream_.is_open()) stream_.resume();
  });
}

void Client::check_complete() {
  const bool all_came = sent_ == connection_.size && order_.bytes() == expected_bytes();
  if (connection_.fate != Fate::kReadsAll || !all_came || left_) return;
  left_ = true;
  complete_ = true;
  stream_.close();
}

void Client::ended() {
  order_.end();
  order_.expect(!stream_.is_paused(), "on_end came after pause");
  left_ = true;
  stream_.close();
}

void Client::leave() {
  if (!stream_.is_open()) return;
  left_ = true;
  connection_.fate == Fate::kResets ? stream_.reset() : stream_.close();
}

void Client::closed(std::error_code reason) {
  order_.close(reason.value());
  order_.expect(reason || !refused_, "what was sent was refused, and the end was clean");
  if (reason || connection_.fate >= Fate::kGoesAway) return;
  // A clean end is a whole one, if it is not that of a server which found nobody there.
  const bool all_came = order_.bytes() == expected_bytes();
  order_.expect(all_came || plan_.idle_timeout.count() > 0,
                "the connection ended cleanly before all had come");
  complete_ = all_came;
}

std::string Client::describe() const {
  std::string text = order_.line() + ", sent " + std::to_string(sent_) + " of " +
                     std::to_string(connection_.size) + ", expects " +
                     std::to_string(expected_bytes());
  if (!stream_.is_open()) return text + ", closing";
  return text + ", " + std::to_string(stream_.queued_bytes()) + " queued" +
         (stream_.is_paused() ? ", paused" : "");
}

void Client::healed() {
  if (!order_.opened() && !order_.closed() && !stream_.is_open()) {
    reactor_.cancel_timer(start_timer_);
    begin();
  }
}

}  // namespace eddy::test
