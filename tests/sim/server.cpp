#include "server.h"

#include <string.h>

#include <algorithm>

namespace eddy::test {
namespace {

constexpr uint64_t kSinkAnswerMost = 1000;
constexpr size_t kHeaderBytes = 4;

}  // namespace

struct Server::Session {
  std::unique_ptr<CallbackOrder> order;
  const ConnectionPlan* plan = nullptr;  // null until the header has come
  char header[kHeaderBytes] = {};
  size_t header_bytes = 0;
  std::optional<sim::Tape> choices;
  Content from_client;
  Content to_client;
  uint64_t received = 0;
  uint64_t pushed = 0;
  bool input_ended = false;
};

// A slice that the application holds back: its bytes must stay what they are.
struct Server::KeptSlice {
  Slice bytes;
  Content content;
  uint64_t from = 0;
  TimerId timer{};
};

Server::Server(Reactor& reactor, const Plan& plan, Failures& failures)
    : reactor_(reactor), plan_(plan), failures_(failures), choices_(plan.connections.size()) {
  StreamOptions options = plan.streams();
  options.state = state_of<Session>();
  options.on_open = [this](Stream& stream) {
    auto& session = stream.state<Session>();
    session.order = std::make_unique<CallbackOrder>(failures_, "server");
    session.order->open();
  };
  options.on_data = [this](Stream& stream, Slice bytes) { received(stream, std::move(bytes)); };
  options.on_end = [this](Stream& stream) { ended(stream); };
  options.on_drain = [this](Stream& stream) {
    auto& session = stream.state<Session>();
    session.order->drain();
    if (session.plan != nullptr && session.plan->program == Program::kSource) push(stream, session);
  };
  options.on_close = [this](Stream& stream, std::error_code reason) { closed(stream, reason); };
  server_.emplace(reactor_, std::move(options), plan.server);
}

Server::~Server() {
  for (auto& [number, kept] : kept_) reactor_.cancel_timer(kept.timer);
}

Result<Address> Server::listen(std::string_view address) {
  if (auto listening = server_->listen(address, plan_.listen); !listening) {
    return std::unexpected(listening.error());
  }
  return server_->local_address();
}

void Server::received(Stream& stream, Slice bytes) {
  auto& session = stream.state<Session>();
  session.order->data(bytes.size());
  session.order->expect(!stream.is_paused(), "on_data came after pause");
  if (session.plan == nullptr) take_header(stream, session, bytes);
  if (bytes.empty() || session.plan == nullptr) return;
  session.order->expect(session.from_client.matches(session.received, bytes.view()),
                        "the bytes are not those that were sent");
  session.order->expect(session.received + bytes.size() <= session.plan->size,
                        "more came than was sent");
  if (session.plan->server_keeps_slices) keep(session, bytes, session.received);
  session.received += bytes.size();
  pause_now_and_then(stream, session);
  answer(stream, session, std::move(bytes));
}

void Server::take_header(Stream& stream, Session& session, Slice& bytes) {
  const size_t part = std::min(bytes.size(), kHeaderBytes - session.header_bytes);
  memcpy(session.header + session.header_bytes, bytes.data(), part);
  session.header_bytes += part;
  bytes.remove_prefix(part);
  if (session.header_bytes < kHeaderBytes) return;
  uint32_t id = 0;
  memcpy(&id, session.header, sizeof id);
  if (id >= plan_.connections.size()) {
    failures_.add("server: a header that nobody sent");
    return stream.reset();
  }
  session.plan = &plan_.connections[id];
  session.choices.emplace(session.plan->seed + 1);
  session.from_client = Content(2 * id);
  session.to_client = Content(2 * id + 1);
  if (session.plan->program == Program::kSource) push(stream, session);
}

void Server::answer(Stream& stream, Session& session, Slice bytes) {
  switch (session.plan->program) {
    case Program::kEcho: stream.send(std::move(bytes)); return;
    case Program::kEchoCopies: stream.send(bytes.view()); return;
    default: return;
  }
}

void Server::push(Stream& stream, Session& session) {
  while (session.pushed < session.plan->size) {
    const auto most =
        std::min<uint64_t>(session.plan->size - session.pushed, session.plan->chunk_most);
    const std::string_view piece =
        session.to_client.piece(session.pushed, 1 + session.choices->draw(most));
    if (!stream.send(piece)) return;
    session.pushed += piece.size();
    if (stream.queued_bytes() > plan_.high_watermark_bytes) return;  // on_drain goes on
  }
  if (session.input_ended) stream.close();
}

void Server::ended(Stream& stream) {
  auto& session = stream.state<Session>();
  session.order->end();
  session.input_ended = true;
  if (session.plan == nullptr) return stream.close();
  if (session.plan->program == Program::kSink) {
    const uint64_t count = std::min(session.received, kSinkAnswerMost);
    for (uint64_t sent = 0; sent < count;) {
      const std::string_view piece = session.to_client.piece(sent, count - sent);
      stream.send(piece);
      sent += piece.size();
    }
  }
  if (session.plan->program == Program::kSource && session.pushed < session.plan->size) return;
  stream.close();
}

void Server::closed(Stream& stream, std::error_code reason) {
  auto& session = stream.state<Session>();
  ++closed_;
  if (session.order == nullptr) return failures_.add("server: on_close came before on_open");
  session.order->close(reason.value());
  if (session.plan != nullptr) lines_[session.plan->id] = session.order->line();
}

void Server::keep(Session& session, const Slice& bytes, uint64_t from) {
  if (session.choices->draw(3) != 0) return;
  const uint64_t number = next_kept_++;
  KeptSlice& kept = kept_[number];
  kept = {bytes, session.from_client, from, {}};
  const auto time = nanoseconds(static_cast<int64_t>(session.choices->draw(20'000'000)));
  kept.timer = reactor_.start_timer(time, [this, number] {
    const auto found = kept_.find(number);
    if (!found->second.content.matches(found->second.from, found->second.bytes.view())) {
      failures_.add("server: the bytes of a slice that was held have changed");
    }
    kept_.erase(found);
  });
}

void Server::pause_now_and_then(Stream& stream, Session& session) {
  if (!session.plan->server_pauses || session.choices->draw(8) != 0) return;
  stream.pause();
  const auto time = nanoseconds(static_cast<int64_t>(session.choices->draw(3'000'000)));
  reactor_.start_timer(time, [stream]() mutable {
    if (stream.is_open()) stream.resume();
  });
}

}  // namespace eddy::test
