#include <eddy/core/kernel.h>
#include <eddy/net/datagram_internal.h>
#include <errno.h>
#include <linux/sock_diag.h>

#include <array>

namespace eddy {
namespace {

// Receiving itself is impossible: what else there is comes once, and goes.
bool ends_receiving(int error) {
  switch (error) {
    case EBADF:
    case ENOTSOCK:
    case EFAULT:
    case EINVAL:
    case EOPNOTSUPP:
    case ENOTCONN: return true;
    default: return false;
  }
}

}  // namespace

// --- Beginning and end

DatagramSlot::DatagramSlot(Reactor& reactor, DatagramOptions&& options, int family)
    : reactor_(reactor),
      options_(std::move(options)),
      family_(family),
      joins_(family != AF_UNIX && !options_.error_details) {
  role = SlotRole::kMessages;
  interest_ = {.name = options_.want_source,
               .control = options_.want_destination || options_.want_ttl ||
                          options_.want_traffic_class || options_.want_timestamp ||
                          options_.want_segments,
               .message_bytes = options_.max_datagram_bytes};
}

int DatagramSlot::begin(int descriptor, bool claims) {
  fd = descriptor;
  int failed = claims ? reactor_.claim(fd) : 0;
  is_claimed = claims && failed == 0;
  if (failed == 0) failed = reactor_.operations().add(*this);
  if (failed == 0) {
    set(kReceiving);
    failed = reactor_.operations().receive_messages(*this);
    if (failed == 0) return 0;
    // It is in the loop already: it leaves as it came.
    release_descriptor = true;
    set(kMute);
    end({});
    return failed;
  }
  if (is_claimed) reactor_.disclaim(fd);
  reactor_.retire(*this);
  return failed;
}

void DatagramSlot::end(std::error_code reason) {
  if (closing) return;
  reason_ = reason;
  stats_.abandoned += queue_.size();
  if (retry_timer_) reactor_.cancel_timer(retry_timer_);
  if (is_claimed) reactor_.disclaim(fd);
  reactor_.operations().close(*this);
}

void DatagramSlot::on_closed() {
  while (!queue_.empty()) queue_.pop();
  held_.clear();
  if (options_.on_close && !has(kMute)) {
    Datagram self = handle();
    options_.on_close(self, reason_);
  }
  reactor_.retire(*this);
}

void DatagramSlot::abandon() {
  set(kMute);
  end({});
}

void DatagramSlot::close() {
  if (closing || has(kClosing)) return;
  set(kClosing);
  held_.clear();
  update_receiving();
  reactor_.turn().want_flush(*this);
}

void DatagramSlot::reset() { end({}); }

void DatagramSlot::flush() {
  if (closing) return;
  if (!held_.empty()) [[unlikely]]
    deliver_held();
  start_sending();
  if (closing) return;
  if (has(kClosing) && queue_.empty()) return end({});
  update_receiving();
}

// --- Receiving

void DatagramSlot::on_message(ReceivedMessage&& message) {
  if (has(kClosing | kMute)) return;
  ++stats_.received;
  describe(message);
  if (has(kPaused) || !held_.empty()) [[unlikely]]
    return hold(std::move(message.bytes));
  deliver(std::move(message.bytes), info_);
}

void DatagramSlot::describe(const ReceivedMessage& message) {
  info_.length = message.size;
  info_.truncated = (message.flags & MSG_TRUNC) != 0;
  if (info_.truncated) ++stats_.truncated;
  if (interest_.name) {
    if (message.name_bytes == 0 || !info_.source.assign(message.name, message.name_bytes)) {
      info_.source = {};
    }
  }
  if (interest_.control) read_control(message.control, message.control_bytes, info_);
}

// At most what was under way when it was paused.
void DatagramSlot::hold(Slice&& bytes) {
  try {
    held_.push_back({std::move(bytes), info_});
  } catch (const std::bad_alloc&) {
    report({.code = errno_code(ENOMEM)});
  }
}

void DatagramSlot::deliver(Slice&& bytes, const DatagramInfo& info) {
  if (!options_.on_datagram) return;
  Datagram self = handle();
  options_.on_datagram(self, std::move(bytes), info);
}

void DatagramSlot::deliver_held() {
  while (!held_.empty() && !closing && !has(kPaused | kClosing)) {
    Held next = std::move(held_.front());
    held_.pop_front();
    deliver(std::move(next.bytes), next.info);
  }
}

void DatagramSlot::on_message_error(int error) {
  if (ends_receiving(-error)) return end(errno_code(-error));
  if (has(kClosing)) return;
  tell_kept_errors(-error);
}

void DatagramSlot::report(const DatagramError& error) {
  if (error.is_of_send) ++stats_.send_failures;
  if (!options_.on_error || has(kMute)) return;
  Datagram self = handle();
  options_.on_error(self, error);
}

// An error that the socket has told; with details, if it keeps them, and then perhaps several.
void DatagramSlot::tell_kept_errors(int error) {
  bool told = false;
  if (options_.error_details) {
    DatagramError kept;
    while (!closing && read_kept_error(reactor_.kernel(), fd, kept)) {
      report(kept);
      kept = {};
      told = true;
    }
  }
  if (!told) report({.code = errno_code(error)});
}

void DatagramSlot::pause() {
  if (closing || has(kClosing)) return;
  set(kPaused);
  update_receiving();
}

// What was held is delivered later in the turn, not from inside this call.
void DatagramSlot::resume() {
  if (!has(kPaused)) return;
  clear(kPaused);
  reactor_.turn().want_flush(*this);
}

void DatagramSlot::update_receiving() {
  const bool receives = !closing && !has(kPaused | kClosing);
  if (receives == has(kReceiving)) return;
  if (receives) {
    set(kReceiving);
    // The memory is there since `begin`.
    reactor_.operations().receive_messages(*this);
  } else {
    clear(kReceiving);
    if (!closing) reactor_.operations().stop_receiving(*this);
  }
}

// --- The peer

Result<void> DatagramSlot::connect(const Address& peer) {
  const int failed = reactor_.kernel().connect(fd, peer.data(), peer.size());
  if (failed < 0) return failure(failed, "connect", peer.to_string());
  return {};
}

Result<void> DatagramSlot::disconnect() {
  const sockaddr nobody = {.sa_family = AF_UNSPEC, .sa_data = {}};  // connect(2)
  const int failed = reactor_.kernel().connect(fd, &nobody, sizeof nobody);
  if (failed < 0) return failure(failed, "disconnect", "fd " + std::to_string(fd));
  return {};
}

// --- Looking

DatagramStats DatagramSlot::stats() const {
  DatagramStats stats = stats_;
  stats.queued = queue_.size();
  stats.queued_bytes = queue_.bytes();
  std::array<uint32_t, SK_MEMINFO_VARS> memory = {};
  socklen_t length = sizeof memory;
  if (!closing &&
      reactor_.kernel().getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory.data(), &length) == 0) {
    stats.kernel_drops = memory[SK_MEMINFO_DROPS];
  }
  return stats;
}

}  // namespace eddy
