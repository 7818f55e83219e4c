// Receiving messages by readiness: recvmmsg(2), a batch a call.
//
// What it is: pieces of the MessageRing with a mmsghdr each, kept from call to call, so that only
// those that were filled are made anew. Threads: the reactor's alone.
#pragma once

#include <eddy/core/message_ring.h>
#include <eddy/core/turn.h>

#include <sys/uio.h>

#include <array>

namespace eddy {

class MessageReader {
 public:
  static constexpr unsigned kBatch = 64;

  MessageReader(Turn& turn, MessageRing& ring) : turn_(turn), ring_(ring) {}
  ~MessageReader();
  MessageReader(const MessageReader&) = delete;
  MessageReader& operator=(const MessageReader&) = delete;

  // There is a piece to receive into.
  bool has_room() const;
  // Where there is room: how many messages have come, or a negative errno, never -EINTR. `all`: as
  // many as could, so that there may be more. Each is then to be taken, in order.
  int receive(const Slot& slot, bool& all);
  ReceivedMessage take(unsigned index);

 private:
  Segment* take_piece();
  void prepare(const MessageInterest& interest);
  void replace(unsigned i);
  void describe(unsigned i);

  Turn& turn_;
  MessageRing& ring_;
  MessageInterest interest_;
  unsigned prepared_ = 0;  // places that have a piece: the first so many
  unsigned used_ = 0;      // of them, those that the last call filled
  std::array<Segment*, kBatch> pieces_;
  std::array<mmsghdr, kBatch> headers_;
  std::array<iovec, kBatch> rooms_;
  struct alignas(16) Name {
    char bytes[kMessageNameBytes];
  };
  struct alignas(16) Control {
    char bytes[kMessageControlBytes];
  };
  std::array<Name, kBatch> names_;
  std::array<Control, kBatch> controls_;
};

}  // namespace eddy
