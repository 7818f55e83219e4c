// Submission: entries are read, checked and copied (IORING_FEAT_SUBMIT_STABLE), and tried.
#include <eddy/core/uring_abi.h>
#include <eddy/sim/uring.h>
#include <string.h>

#include <eddy/sim/checksum.h>

namespace eddy::sim {
namespace {

constexpr uint8_t kKnownEntryFlags =
    IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS;
constexpr uint32_t kAlwaysPolled = POLLERR | POLLHUP;
constexpr uint32_t kReads = POLLIN | POLLRDNORM | POLLRDHUP | kAlwaysPolled;
constexpr uint32_t kWrites = POLLOUT | POLLWRNORM | kAlwaysPolled;
constexpr uint32_t kCancelFlags =
    IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ANY;

const char* name_of(uint8_t opcode) {
  switch (opcode) {
    case IORING_OP_NOP: return "uring nop";
    case IORING_OP_ACCEPT: return "uring accept";
    case IORING_OP_CONNECT: return "uring connect";
    case IORING_OP_RECV: return "uring recv";
    case IORING_OP_RECVMSG: return "uring recvmsg";
    case IORING_OP_SEND: return "uring send";
    case IORING_OP_SENDMSG: return "uring sendmsg";
    case uring::kOperationSendZeroCopy: return "uring send_zc";
    case uring::kOperationSendMessageZeroCopy: return "uring sendmsg_zc";
    case IORING_OP_POLL_ADD: return "uring poll";
    case IORING_OP_ASYNC_CANCEL: return "uring cancel";
    case IORING_OP_CLOSE: return "uring close";
    case IORING_OP_FILES_UPDATE: return "uring files_update";
    default: return "uring unknown";
  }
}

bool has_target(const io_uring_sqe& entry) {
  switch (entry.opcode) {
    case IORING_OP_NOP:
    case IORING_OP_CLOSE:
    case IORING_OP_FILES_UPDATE: return false;
    case IORING_OP_ASYNC_CANCEL: return (entry.cancel_flags & IORING_ASYNC_CANCEL_FD) != 0;
    default: return true;
  }
}

}  // namespace

unsigned Uring::submit(unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    const unsigned head = words_->sq_head;
    const unsigned at = head & words_->sq_mask;
    const unsigned index = array_ == nullptr ? at : array_[at];
    __atomic_store_n(&words_->sq_head, head + 1, __ATOMIC_RELEASE);
    if (index < words_->sq_entries) {
      submit_one(memory_->submissions[index]);
    } else {
      ++words_->sq_dropped;
    }
  }
  return count;
}

void Uring::submit_one(const io_uring_sqe& entry) {
  UringRequest& request = take_request();
  request.entry = entry;
  simulation_.note(host_, name_of(entry.opcode), {entry.fd, entry.flags, entry.ioprio});
  int error = prepare(request);
  const bool refused = error != 0;
  if (!refused && has_target(request.entry)) error = find_target(request);
  if (error == 0) return start(request);
  // What was refused as such promises no notification.
  if (refused && request.is_zero_copy()) {
    post(request, error, 0);
    return release(request);
  }
  finish(request, error, 0, true);
}

// The ring's own descriptor would keep the ring alive.
int Uring::find_target(UringRequest& request) {
  const int fd = request.entry.fd;
  if (request.has_flag(IOSQE_FIXED_FILE)) {
    const auto index = static_cast<size_t>(fd);
    if (index < files_.size()) request.target = files_[index];
  } else {
    request.target = host_.file(fd);
  }
  if (request.target == nullptr || request.target.get() == this) return -EBADF;
  Socket* socket = request.target->socket();
  if (socket == nullptr ||
      (request.entry.opcode != IORING_OP_RECV && request.entry.opcode != IORING_OP_RECVMSG)) {
    return 0;
  }
  int type = 0;
  socklen_t size = sizeof type;
  socket->get_option(SOL_SOCKET, SO_TYPE, &type, &size);
  request.tells_more = type == SOCK_STREAM;
  return 0;
}

int Uring::prepare(UringRequest& request) {
  if ((request.entry.flags & ~kKnownEntryFlags) != 0) return -EINVAL;
  switch (request.entry.opcode) {
    case IORING_OP_NOP: return 0;
    case IORING_OP_ACCEPT: return prepare_accept(request);
    case IORING_OP_CONNECT: return prepare_connect(request);
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG: return prepare_receive(request);
    case uring::kOperationSendZeroCopy:
    case uring::kOperationSendMessageZeroCopy:
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG: return prepare_send(request);
    case IORING_OP_POLL_ADD: return prepare_poll(request);
    case IORING_OP_ASYNC_CANCEL: return prepare_cancel(request);
    case IORING_OP_CLOSE: {
      const io_uring_sqe& entry = request.entry;
      const bool plain = entry.off == 0 && entry.addr == 0 && entry.len == 0 &&
                         entry.rw_flags == 0 && entry.buf_index == 0 && entry.file_index == 0;
      return !plain ? -EINVAL : request.has_flag(IOSQE_FIXED_FILE) ? -EBADF : 0;
    }
    case IORING_OP_FILES_UPDATE:
      return request.has_flag(IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT) || request.entry.rw_flags != 0
                 ? -EINVAL
                 : 0;
    default: return -EINVAL;
  }
}

int Uring::prepare_accept(UringRequest& request) {
  const io_uring_sqe& entry = request.entry;
  const bool known = (entry.ioprio & ~IORING_ACCEPT_MULTISHOT) == 0 &&
                     (entry.accept_flags & ~uint32_t{SOCK_CLOEXEC | SOCK_NONBLOCK}) == 0;
  if (!known || entry.len != 0 || entry.buf_index != 0 || entry.file_index != 0) return -EINVAL;
  request.multishot = (entry.ioprio & IORING_ACCEPT_MULTISHOT) != 0;
  request.interest = kReads;
  return 0;
}

int Uring::prepare_connect(UringRequest& request) {
  const io_uring_sqe& entry = request.entry;
  if (entry.len != 0 || entry.buf_index != 0 || entry.rw_flags != 0 || entry.splice_fd_in != 0 ||
      entry.off > sizeof request.name) {
    return -EINVAL;
  }
  if (entry.addr == 0) return -EFAULT;
  memcpy(&request.name, reinterpret_cast<const void*>(entry.addr), entry.off);
  request.interest = kWrites;
  return 0;
}

// io_recvmsg_prep. MSG_WAITALL is modelled for a RECV into the caller's memory only.
int Uring::prepare_receive(UringRequest& request) {
  const io_uring_sqe& entry = request.entry;
  if ((entry.ioprio & ~(IORING_RECVSEND_POLL_FIRST | IORING_RECV_MULTISHOT)) != 0) return -EINVAL;
  const bool selects = request.has_flag(IOSQE_BUFFER_SELECT);
  const bool waits_for_all = (entry.msg_flags & MSG_WAITALL) != 0;
  const auto limit = static_cast<uint32_t>(entry.splice_fd_in);
  request.multishot = (entry.ioprio & IORING_RECV_MULTISHOT) != 0;
  if (entry.addr2 != 0 || (selects && waits_for_all) || (request.multishot && !selects)) {
    return -EINVAL;
  }
  const bool can_be_limited =
      request.multishot && entry.opcode == IORING_OP_RECV && limits_.receive_limit;
  if (limit != 0 && !can_be_limited) return -EINVAL;
  request.allowance = limit;
  request.fails_when_blocked = (entry.msg_flags & MSG_DONTWAIT) != 0;
  request.interest = kReads;
  if (!request.has_header()) {
    request.pieces.assign(1, {reinterpret_cast<void*>(entry.addr), entry.len});
    return 0;
  }
  if (entry.addr == 0) return -EFAULT;
  if (waits_for_all) return -EINVAL;
  request.header = *reinterpret_cast<const msghdr*>(entry.addr);
  if (selects && request.header.msg_iovlen > 1) return -EINVAL;
  request.pieces.assign(request.header.msg_iov, request.header.msg_iov + request.header.msg_iovlen);
  return 0;
}

// io_sendmsg_prep, io_send_zc_prep.
int Uring::prepare_send(UringRequest& request) {
  const io_uring_sqe& entry = request.entry;
  const unsigned known = IORING_RECVSEND_POLL_FIRST |
                         (request.is_zero_copy() ? unsigned{uring::kZeroCopyReportsUse} : 0U);
  if ((entry.ioprio & ~known) != 0 || request.has_flag(IOSQE_BUFFER_SELECT)) return -EINVAL;
  if (request.is_zero_copy() && request.has_flag(IOSQE_CQE_SKIP_SUCCESS)) return -EINVAL;
  request.fails_when_blocked = (entry.msg_flags & MSG_DONTWAIT) != 0;
  request.interest = kWrites;
  request.header = {};
  if (request.has_header()) {
    if (entry.addr == 0) return -EFAULT;
    request.header = *reinterpret_cast<const msghdr*>(entry.addr);
    request.pieces.assign(request.header.msg_iov,
                          request.header.msg_iov + request.header.msg_iovlen);
  } else {
    request.pieces.assign(1, {reinterpret_cast<void*>(entry.addr), entry.len});
    request.header.msg_name = reinterpret_cast<void*>(entry.addr2);
    request.header.msg_namelen = request.header.msg_name == nullptr ? 0 : entry.addr_len;
  }
  if (request.header.msg_namelen > sizeof request.name) return -EINVAL;
  if (request.header.msg_name != nullptr) {
    memcpy(&request.name, request.header.msg_name, request.header.msg_namelen);
    request.header.msg_name = &request.name;
  }
  if (request.is_zero_copy()) request.checksum = checksum_of(request.pieces);
  return 0;
}

// Multishot and updates of polls are not modelled. POLLRDHUP is always told, as Linux does.
int Uring::prepare_poll(UringRequest& request) {
  const io_uring_sqe& entry = request.entry;
  if (entry.buf_index != 0 || entry.off != 0 || entry.addr != 0 || entry.len != 0) return -EINVAL;
  request.interest = entry.poll32_events | kAlwaysPolled | POLLNVAL | POLLRDHUP;
  return 0;
}

int Uring::prepare_cancel(UringRequest& request) {
  const io_uring_sqe& entry = request.entry;
  const bool contradicts = (entry.cancel_flags & IORING_ASYNC_CANCEL_FD) != 0 &&
                           (entry.cancel_flags & IORING_ASYNC_CANCEL_ANY) != 0;
  const bool known = (entry.cancel_flags & ~kCancelFlags) == 0;
  return !known || contradicts || entry.off != 0 || entry.splice_fd_in != 0 ? -EINVAL : 0;
}

}  // namespace eddy::sim
