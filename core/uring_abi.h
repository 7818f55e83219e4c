// io_uring's numbers that are newer than Debian 12's headers (Linux 6.1). Each is used only after a
// probe has seen the kernel do it. The names are ours: newer headers define the kernel's own as
// macros.
#pragma once

#include <liburing.h>
#include <stdint.h>

namespace eddy::uring {

inline constexpr size_t kSignalSetBytes = 8;           // the kernel's sigset_t (_NSIG / 8)
inline constexpr uint32_t kSetupNoSqArray = 1U << 16;  // Linux 6.6: entries are taken in order
inline constexpr uint32_t kFeatureMinTimeout =
    1U << 15;  // Linux 6.12: kGetEventsArgument's min_wait_us
inline constexpr uint16_t kBufferRingIncremental = 2;  // Linux 6.12: io_uring_buf_reg.flags
inline constexpr uint32_t kCompletionBufferMore =
    1U << 4;  // Linux 6.12: more of this buffer will be filled
inline constexpr uint8_t kOperationSendZeroCopy = 47;         // Linux 6.0: IORING_OP_SEND_ZC
inline constexpr uint8_t kOperationSendMessageZeroCopy = 48;  // Linux 6.1: IORING_OP_SENDMSG_ZC
inline constexpr uint16_t kZeroCopyReportsUse =
    1U << 3;  // Linux 6.2: … and tells whether it copied after all
inline constexpr uint32_t kNotificationCopied = 1U << 31;
inline constexpr uint32_t kCompletionNotification =
    1U << 3;  // Linux 6.0: memory of a zero-copy send is free

// io_uring_enter's extended argument as of Linux 6.12, which gave the padding a meaning.
struct GetEventsArgument {
  uint64_t signal_mask;
  uint32_t signal_mask_size;
  uint32_t min_wait_us;
  uint64_t timeout;
};

// io_uring_buf_reg as of Linux 6.4, which gave the padding a meaning.
struct BufferRingRegistration {
  uint64_t ring_address;
  uint32_t entries;
  uint16_t group;
  uint16_t flags;
  uint64_t reserved[3];
};

// The bytes that a multishot receive may take before it ends (Linux 6.17). Its place in the entry
// is that of splice_fd_in; zero means no limit.
inline void set_receive_limit(io_uring_sqe& entry, uint32_t bytes) {
  entry.splice_fd_in = static_cast<int32_t>(bytes);
}

}  // namespace eddy::uring
