// Messages over io_uring: a multishot recvmsg into pieces of the message ring, one for each.
//
// Pieces are provided whole: in a buffer that is consumed in parts, the last message would be cut
// to what is left of it. Sending is done by the slots themselves: a sendmmsg(2) of what a turn has
// gathered cost less than as many submissions (measured on Linux 6.18: 3 to 5 % of an echo).
// Source: io_uring_prep_recvmsg_multishot(3).
#include <eddy/core/uring_backend_parts.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

namespace eddy {
namespace {

constexpr size_t kNameAt = sizeof(io_uring_recvmsg_out);
constexpr size_t kControlAt = kNameAt + kMessageNameBytes;

}  // namespace

int UringBackend::receive_messages(Slot& slot) {
  if (const int failed = turn_.messages.open(); failed < 0) return failed;
  if (!messages_) {
    messages_.emplace(turn_.messages.pieces(), UringBuffers::kMessageGroup);
    if (const int failed = messages_->open(kernel_, *queue_, false); failed < 0) {
      messages_.reset();
      return failed;
    }
    messages_->replenish(false);
  }
  slot.wanted |= kReceiving;
  if (!slot.parked && (slot.in_flight & bit(kReceiveMessages)) == 0) arm_messages(slot);
  return 0;
}

void UringBackend::arm_messages(Slot& slot) {
  auto* asked = arena_.make<msghdr>();
  if (asked == nullptr) {  // until there is memory
    slot.parked = true;
    return parked_messages_.push(slot);
  }
  *asked = {};
  // The name's room is always there: what lies behind it then begins at the same place.
  asked->msg_namelen = kMessageNameBytes;
  asked->msg_controllen = slot.message_interest().control ? kMessageControlBytes : 0;
  io_uring_sqe& entry = start(slot, kReceiveMessages);
  entry.opcode = IORING_OP_RECVMSG;
  entry.fd = slot.fd;
  entry.addr = reinterpret_cast<uintptr_t>(asked);
  entry.len = 1;
  entry.msg_flags = MSG_TRUNC;  // the length is the message's own (recv(2))
  entry.flags = IOSQE_BUFFER_SELECT;
  entry.buf_group = UringBuffers::kMessageGroup;
  entry.ioprio = IORING_RECV_MULTISHOT;
}

ReceivedMessage UringBackend::read_message(const Slot& slot, Slice&& bytes) const {
  io_uring_recvmsg_out out;
  memcpy(&out, bytes.data(), sizeof out);
  const MessageInterest interest = slot.message_interest();
  ReceivedMessage message;
  message.size = out.payloadlen;
  message.flags = static_cast<int>(out.flags);
  if (interest.name) {
    message.name = reinterpret_cast<const sockaddr*>(bytes.data() + kNameAt);
    message.name_bytes = out.namelen;
  }
  if (interest.control) {
    message.control = bytes.data() + kControlAt;
    message.control_bytes = out.controllen;
  }
  bytes.remove_prefix(kControlAt + (interest.control ? kMessageControlBytes : 0));
  message.bytes = std::move(bytes);
  // The kernel heeds a length in the first receive of a multishot one alone, so none is asked for.
  const size_t most = turn_.messages.room_for(interest);
  if (message.bytes.size() <= most) [[likely]]
    return message;
  message.bytes = message.bytes.subslice(0, most);
  message.flags |= MSG_TRUNC;
  return message;
}

void UringBackend::complete_messages(Slot& slot, const UringQueue::Completion& completion,
                                     Slice&& bytes) {
  const int result = completion.result;
  if (result > 0) {
    ReceivedMessage message = read_message(slot, std::move(bytes));
    turn_.counters.bytes_received += message.bytes.size();
    slot.on_message(std::move(message));
  }
  if ((slot.in_flight & bit(kReceiveMessages)) != 0 || slot.closing) return;
  const bool passing = result > 0 || result == -ENOBUFS || result == -ECANCELED ||
                       result == -EINTR || result == -EAGAIN;
  if (!passing) slot.on_message_error(result);
  if (slot.closing || (slot.wanted & kReceiving) == 0 || slot.parked) return;
  if (result != -ENOBUFS) {
    if ((slot.in_flight & bit(kReceiveMessages)) == 0) arm_messages(slot);
    return;
  }
  ++turn_.counters.buffer_exhaustions;
  if (messages_->open_segments() == 0 && !messages_->can_replenish()) ++turn_.counters.parked;
  slot.parked = true;
  parked_messages_.push(slot);
}

// Pieces that came back go round again; who waited for one goes on, as many as there are pieces.
void UringBackend::tend_messages() {
  messages_->replenish(!parked_messages_.empty() && messages_->open_segments() == 0);
  for (unsigned chances = messages_->open_segments(); chances != 0 && !parked_messages_.empty();
       --chances) {
    Slot& slot = *parked_messages_.pop();
    slot.parked = false;
    if ((slot.in_flight & bit(kReceiveMessages)) == 0) arm_messages(slot);
  }
}

}  // namespace eddy
