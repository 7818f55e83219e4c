#include "datagrams.h"

#include <string.h>

#include "content.h"

namespace eddy::test {
namespace {

using std::chrono::milliseconds;

constexpr size_t kMostInABurst = 10;

}  // namespace

Datagrams::Datagrams(Reactor& server, const std::string& address, Reactor& client, uint64_t seed,
                     int most_copies, Failures& failures)
    : reactor_(client), failures_(failures), choices_(seed), most_copies_(most_copies) {
  auto echo = Datagram::bind(server, address, journal(false));
  auto asks = Datagram::bind(client, "0.0.0.0:0", journal(true));
  if (echo) echo_ = *echo;
  if (asks) client_ = *asks;
  open_ = (echo ? 1 : 0) + (asks ? 1 : 0);
  if (!echo || !asks) return;
  there_ = echo_.local_address().value_or(Address());
  beat_ = reactor_.start_timer(milliseconds(1), [this] { ask(); },
                               {.period = milliseconds(10 + choices_.draw(300))});
}

DatagramOptions Datagrams::journal(bool is_client) {
  DatagramOptions options;
  options.on_datagram = [this, is_client](Datagram& self, Slice bytes, const DatagramInfo& info) {
    if (is_client) return answered(bytes.view(), info);
    self.send_to(std::move(bytes), info.source);
  };
  options.on_close = [this, is_client](Datagram& self, std::error_code code) {
    closed(self, code, is_client);
  };
  return options;
}

// Bursts are of one length, or of several, since neighbours of one length leave together.
void Datagrams::ask() {
  if (!client_.is_open()) return;
  const bool of_one_length = choices_.draw(2) == 0;
  size_t size = choices_.draw(3000);
  for (size_t left = 1 + choices_.draw(kMostInABurst); left > 0; --left) {
    if (!of_one_length) size = choices_.draw(3000);
    const size_t number = asked_.size();
    const std::string bytes = question(number, size);
    asked_.push_back({.size = bytes.size()});
    if (client_.send_to(bytes, there_)) ++taken_;
  }
}

std::string Datagrams::question(size_t number, size_t size) const {
  std::string bytes(sizeof number, '\0');
  memcpy(bytes.data(), &number, sizeof number);
  return bytes.append(Content(static_cast<uint32_t>(number)).piece(0, size));
}

void Datagrams::answered(std::string_view bytes, const DatagramInfo& info) {
  size_t number = SIZE_MAX;
  if (bytes.size() >= sizeof number) memcpy(&number, bytes.data(), sizeof number);
  if (number >= asked_.size()) return failures_.add("datagram: an answer to what was not asked");
  Asked& asked = asked_[number];
  if (bytes.size() != asked.size || bytes != question(number, asked.size - sizeof number)) {
    failures_.add("datagram: other bytes than were sent");
  }
  if (info.source != there_) failures_.add("datagram: it came from elsewhere");
  if (++asked.answers > most_copies_) failures_.add("datagram: too many copies of one");
}

void Datagrams::closed(Datagram& self, std::error_code code, bool is_client) {
  --open_;
  if (code) failures_.add("datagram: a socket ended with " + code.message());
  const DatagramStats stats = self.stats();
  if (stats.queued != 0) failures_.add("datagram: a socket closed, and had something to send");
  if (is_client && stats.sent + stats.send_failures != taken_) {
    failures_.add("datagram: " + std::to_string(taken_) + " taken, " + std::to_string(stats.sent) +
                  " sent, " + std::to_string(stats.send_failures) + " failed");
  }
}

void Datagrams::finish() {
  reactor_.cancel_timer(beat_);
  for (Datagram* socket : {&echo_, &client_}) {
    if (socket->is_open()) socket->close();
  }
}

}  // namespace eddy::test
