#include <eddy/core/kernel.h>
#include <eddy/core/reactor.h>
#include <eddy/net/server.h>
#include <eddy/net/stream_internal.h>
#include <errno.h>
#include <netinet/in.h>

#include <string>
#include <utility>
#include <vector>

namespace eddy {

class Server::Connections final : public StreamOwner {
 public:
  Connections(Reactor& reactor, std::shared_ptr<StreamOptions> stream_options,
              ServerOptions&& server_options)
      : reactor_(reactor),
        options_(std::move(stream_options)),
        max_(server_options.max_connections),
        shared_count_(server_options.shared_count),
        listener_(reactor, [this](int fd) { accept(fd); }, std::move(server_options.on_error)) {
    room_changed();
  }

  ~Connections() {
    if (first_ == nullptr) return;  // perhaps the reactor is gone
    reactor_.cancel_timer(drain_timer_);
    const bool ours = reactor_.of_this_process();
    while (first_ != nullptr) {
      StreamSlot& stream = *first_;
      remove(stream);
      if (ours) stream.abandon();
    }
  }

  Listener& listener() { return listener_; }
  Listener& listener_to_open() {
    draining_ = false;
    return listener_;
  }
  size_t count() const { return count_; }

  std::vector<Stream> all() {
    std::vector<Stream> streams;
    for (StreamSlot* slot = first_; slot != nullptr; slot = slot->next_owned) {
      streams.push_back(slot->handle());
    }
    return streams;
  }

  void room_changed() {
    if (max_ == 0) return;
    listener_.set_room(max_ - std::min(count_, max_));
    count_ >= max_ ? listener_.pause() : listener_.resume();
  }

  void stream_closed(StreamSlot& stream) override {
    remove(stream);
    room_changed();
    if (count_ == 0) reactor_.cancel_timer(std::exchange(drain_timer_, {}));
  }

  size_t broadcast(const Slice& bytes) {
    size_t taken = 0;
    // A send ends no stream at once, so the list stays as it is.
    for (StreamSlot* slot = first_; slot != nullptr; slot = slot->next_owned) {
      taken += slot->send(Slice(bytes)) ? 1 : 0;
    }
    return taken;
  }

  void drain(std::chrono::nanoseconds deadline) {
    listener_.finish();
    draining_ = true;
    drained_at_ = after(reactor_.now(), deadline);
    // Neither call ends a stream at once.
    for (StreamSlot* slot = first_; slot != nullptr; slot = slot->next_owned) slot->drain();
    reactor_.cancel_timer(std::exchange(drain_timer_, {}));
    reset_later();
  }

  Result<Stream> take(int fd, Slice&& unread) {
    int protocol = 0;
    socklen_t length = sizeof protocol;
    const int failed =
        reactor_.kernel().getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length);
    if (failed < 0) return failure(failed, "take", "fd " + std::to_string(fd));
    StreamSlot* slot = StreamSlot::make(reactor_, options_, this);
    if (slot == nullptr) return failure(-ENOMEM, "take", "fd " + std::to_string(fd));
    add(*slot);
    const int refused = begin_in_next_turn(*slot, fd, protocol == IPPROTO_TCP);
    if (refused < 0) {
      stream_closed(*slot);
      return failure(refused, "take", "fd " + std::to_string(fd));
    }
    if (!draining_) slot->begin_with(std::move(unread));
    return slot->handle();
  }

 private:
  void reset_later() {
    if (count_ == 0 || drain_timer_) return;
    drain_timer_ =
        reactor_.start_timer_at(drained_at_, [this] { reset_all(); }, {.referenced = false});
  }
  void reset_all() {
    drain_timer_ = {};
    for (StreamSlot* slot = first_; slot != nullptr; slot = slot->next_owned) slot->reset();
  }
  // 0 or a negative errno, as `begin_taken`. What was accepted before the drain and comes after it
  // is drained too.
  int begin_in_next_turn(StreamSlot& slot, int fd, bool is_tcp) {
    const int failed = slot.begin_taken(fd, is_tcp);
    if (failed < 0 || !draining_) return failed;
    slot.drain();
    reset_later();
    return 0;
  }

  void accept(int fd) {
    StreamSlot* slot = StreamSlot::make(reactor_, options_, this);
    if (slot == nullptr) return refuse_connection(reactor_, fd);
    add(*slot);
    // on_open may destroy the server.
    const bool is_tcp = listener_.is_tcp();
    const int failed =
        draining_ ? begin_in_next_turn(*slot, fd, is_tcp) : slot->begin_accepted(fd, is_tcp);
    if (failed == 0) return;
    refuse_connection(reactor_, fd);
    stream_closed(*slot);
  }

  void add(StreamSlot& stream) {
    stream.next_owned = first_;
    if (first_ != nullptr) first_->previous_owned = &stream;
    first_ = &stream;
    ++count_;
    if (shared_count_ != nullptr) shared_count_->fetch_add(1, std::memory_order_relaxed);
    room_changed();
  }

  void remove(StreamSlot& stream) {
    (stream.previous_owned == nullptr ? first_ : stream.previous_owned->next_owned) =
        stream.next_owned;
    if (stream.next_owned != nullptr) stream.next_owned->previous_owned = stream.previous_owned;
    stream.disown();
    --count_;
    if (shared_count_ != nullptr) shared_count_->fetch_sub(1, std::memory_order_relaxed);
  }

  Reactor& reactor_;
  std::shared_ptr<StreamOptions> options_;
  const size_t max_;
  size_t count_ = 0;
  StreamSlot* first_ = nullptr;
  std::atomic<size_t>* const shared_count_;
  bool draining_ = false;
  TimePoint drained_at_{};
  TimerId drain_timer_{};
  Listener listener_;
};

Server::Server(Reactor& reactor, StreamOptions stream_options, ServerOptions server_options)
    : Server(reactor,
             SharedStreamOptions(std::make_shared<StreamOptions>(std::move(stream_options))),
             std::move(server_options)) {}

Server::Server(Reactor& reactor, SharedStreamOptions stream_options, ServerOptions server_options)
    : connections_(std::make_unique<Connections>(reactor, std::move(stream_options.options),
                                                 std::move(server_options))) {}

Server::~Server() = default;

Result<void> Server::listen(std::string_view address, const ListenOptions& options) {
  return connections_->listener_to_open().listen(address, options);
}

Result<void> Server::listen(const Address& address, const ListenOptions& options) {
  return connections_->listener_to_open().listen(address, options);
}

Result<void> Server::listen_on(int descriptor, const ListenOptions& options) {
  return connections_->listener_to_open().listen_on(descriptor, options);
}

Result<Stream> Server::take(int descriptor, Slice unread) {
  return connections_->take(descriptor, std::move(unread));
}

int Server::descriptor() const { return connections_->listener().descriptor(); }

void Server::keep_path() { connections_->listener().keep_path(); }

Result<Address> Server::local_address() const { return connections_->listener().local_address(); }

Result<Backlog> Server::backlog() const { return connections_->listener().backlog(); }

Reactor& Server::reactor() const { return connections_->listener().reactor(); }

size_t Server::connections() const { return connections_->count(); }

void Server::for_each(const std::function<void(Stream&)>& visit) {
  for (Stream& stream : connections_->all()) {
    if (stream.is_open()) visit(stream);
  }
}

size_t Server::broadcast(const Slice& bytes) { return connections_->broadcast(bytes); }

void Server::close() { connections_->listener().finish(); }

void Server::drain(std::chrono::nanoseconds deadline) { connections_->drain(deadline); }

}  // namespace eddy
