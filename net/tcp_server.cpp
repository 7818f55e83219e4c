#include <eddy/core/kernel.h>
#include <eddy/core/reactor.h>
#include <eddy/net/stream_internal.h>
#include <eddy/net/tcp_server.h>

#include <utility>
#include <vector>

namespace eddy {

class TcpServer::Connections final : public StreamOwner {
 public:
  Connections(Reactor& reactor, std::shared_ptr<StreamOptions> stream_options,
              ServerOptions server_options)
      : reactor_(reactor),
        options_(std::move(stream_options)),
        max_(server_options.max_connections),
        listener_(reactor, [this](int fd) { accept(fd); }) {
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

  void drain(std::chrono::nanoseconds deadline) {
    listener_.close();
    // Neither call ends a stream at once, so the list stays as it is.
    for (StreamSlot* slot = first_; slot != nullptr; slot = slot->next_owned) slot->drain();
    if (count_ == 0) return;
    reactor_.cancel_timer(drain_timer_);
    drain_timer_ = reactor_.start_timer(deadline, [this] { reset_all(); }, {.referenced = false});
  }

 private:
  void reset_all() {
    for (StreamSlot* slot = first_; slot != nullptr; slot = slot->next_owned) slot->reset();
  }

  void accept(int fd) {
    StreamSlot* slot = StreamSlot::make(reactor_, options_, this);
    if (slot == nullptr) return refuse(fd);
    slot->next_owned = first_;
    if (first_ != nullptr) first_->previous_owned = slot;
    first_ = slot;
    ++count_;
    room_changed();
    if (slot->begin_accepted(fd) == 0) return;
    refuse(fd);
    stream_closed(*slot);
  }

  // No memory: this connection is lost, not the server. By a reset: an end of input would tell the
  // peer that there was nothing to come.
  void refuse(int fd) {
    ++reactor_.turn().counters.accept_failures;
    linger_none(reactor_.kernel(), fd);
    reactor_.kernel().close(fd);
  }

  void remove(StreamSlot& stream) {
    (stream.previous_owned == nullptr ? first_ : stream.previous_owned->next_owned) =
        stream.next_owned;
    if (stream.next_owned != nullptr) stream.next_owned->previous_owned = stream.previous_owned;
    stream.disown();
    --count_;
  }

  Reactor& reactor_;
  std::shared_ptr<StreamOptions> options_;
  const size_t max_;
  size_t count_ = 0;
  StreamSlot* first_ = nullptr;
  TimerId drain_timer_{};
  Listener listener_;
};

TcpServer::TcpServer(Reactor& reactor, StreamOptions stream_options, ServerOptions server_options)
    : TcpServer(reactor,
                SharedStreamOptions(std::make_shared<StreamOptions>(std::move(stream_options))),
                server_options) {}

TcpServer::TcpServer(Reactor& reactor, SharedStreamOptions stream_options,
                     ServerOptions server_options)
    : connections_(std::make_unique<Connections>(reactor, std::move(stream_options.options),
                                                 server_options)) {}

TcpServer::~TcpServer() = default;

Result<void> TcpServer::listen(std::string_view address, const ListenOptions& options) {
  return connections_->listener().listen(address, options);
}

Result<void> TcpServer::listen(const Address& address, const ListenOptions& options) {
  return connections_->listener().listen(address, options);
}

Result<Address> TcpServer::local_address() const {
  return connections_->listener().local_address();
}

size_t TcpServer::connections() const { return connections_->count(); }

void TcpServer::for_each(const std::function<void(Stream&)>& visit) {
  for (Stream& stream : connections_->all()) {
    if (stream.is_open()) visit(stream);
  }
}

void TcpServer::close() { connections_->listener().close(); }

void TcpServer::drain(std::chrono::nanoseconds deadline) { connections_->drain(deadline); }

}  // namespace eddy
