#include <eddy/core/kernel.h>
#include <eddy/core/message_reader.h>
#include <eddy/core/poison.h>
#include <errno.h>

#include <algorithm>

namespace eddy {

MessageReader::~MessageReader() {
  for (unsigned i = 0; i < prepared_; ++i) ring_.pieces().finish(*pieces_[i]);
}

Segment* MessageReader::take_piece() {
  Segment* piece = ring_.pieces().take(true);
  if (piece != nullptr) unpoison_memory(piece->base, piece->size);
  return piece;
}

bool MessageReader::has_room() const {
  if (prepared_ > used_ || ring_.pieces().has_free()) return true;
  return std::any_of(pieces_.begin(), pieces_.begin() + used_,
                     [](const Segment* piece) { return piece->references == 0; });
}

// A piece whose slice has gone by now serves again where it is, which is what an echo finds; what
// the last call left in its header is good still, but for the lengths.
void MessageReader::prepare(const MessageInterest& interest) {
  const bool is_other = interest != interest_;
  interest_ = interest;
  for (unsigned i = 0; i < used_; ++i) {
    if (pieces_[i]->references != 0) [[unlikely]] {
      replace(i);
    } else {
      headers_[i].msg_hdr.msg_namelen = interest.name ? kMessageNameBytes : 0;
      headers_[i].msg_hdr.msg_controllen = interest.control ? kMessageControlBytes : 0;
    }
  }
  used_ = 0;
  for (unsigned i = 0; is_other && i < prepared_; ++i) describe(i);
  while (prepared_ < kBatch) {
    Segment* piece = take_piece();
    if (piece == nullptr) break;
    pieces_[prepared_] = piece;
    describe(prepared_++);
  }
}

// Its slice keeps it: it is free once that has gone. Where there is no other, the place is filled
// from the end.
void MessageReader::replace(unsigned i) {
  ring_.pieces().finish(*pieces_[i]);
  Segment* piece = take_piece();
  while (piece == nullptr && --prepared_ > i) {
    Segment* last = pieces_[prepared_];
    if (prepared_ >= used_ || last->references == 0) piece = last;
    if (piece == nullptr) ring_.pieces().finish(*last);
  }
  used_ = std::min(used_, prepared_);
  if (piece == nullptr) return;
  pieces_[i] = piece;
  describe(i);
}

void MessageReader::describe(unsigned i) {
  rooms_[i] = {pieces_[i]->base, ring_.room_for(interest_)};
  msghdr& header = headers_[i].msg_hdr;
  header.msg_name = interest_.name ? names_[i].bytes : nullptr;
  header.msg_namelen = interest_.name ? kMessageNameBytes : 0;
  header.msg_iov = &rooms_[i];
  header.msg_iovlen = 1;
  header.msg_control = interest_.control ? controls_[i].bytes : nullptr;
  header.msg_controllen = interest_.control ? kMessageControlBytes : 0;
}

int MessageReader::receive(const Slot& slot, bool& all) {
  prepare(slot.message_interest());
  for (;;) {
    ++turn_.counters.system_calls;
    // With MSG_TRUNC the length is the message's own (recv(2)).
    const int count =
        turn_.kernel.recvmmsg(slot.fd, headers_.data(), prepared_, MSG_DONTWAIT | MSG_TRUNC);
    if (count == -EINTR) continue;
    all = count == static_cast<int>(prepared_);
    used_ = static_cast<unsigned>(std::max(count, 0));
    return count;
  }
}

ReceivedMessage MessageReader::take(unsigned i) {
  const msghdr& header = headers_[i].msg_hdr;
  const size_t size = headers_[i].msg_len;
  return {.bytes = ring_.pieces().fill(*pieces_[i], std::min(size, rooms_[i].iov_len), false),
          .size = size,
          .flags = header.msg_flags,
          .name = static_cast<const sockaddr*>(header.msg_name),
          .name_bytes = header.msg_name == nullptr ? 0 : header.msg_namelen,
          .control = header.msg_control,
          .control_bytes = header.msg_controllen};
}

}  // namespace eddy
