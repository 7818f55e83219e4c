#include <eddy/core/mailbox.h>

#include <stdlib.h>

#include <thread>

namespace eddy {

// Why no wake-up is lost: the queue and the loop's state are one atomic word, so that all posts,
// drains and changes of state happen in one order. A post either comes before the loop's change to
// kAsleep, which then fails because the word is no longer nullptr, or it comes after it, reads
// kAsleep and wakes. No second variable is involved, therefore no fence: the post's release and the
// drain's acquire are there for the callable's own bytes. Of several posts during one sleep only
// the first reads kAsleep.
//
// The consumer takes the whole list with one exchange, so nothing is popped singly and there is no
// ABA.

// Memory for the nodes that one thread posts.
struct MailboxBlock {
  // With malloc's own header two pages: 4 KiB cost 25 % more a post, 64 KiB no less.
  static constexpr uint32_t kBytes = 8192 - 16;
  // The nodes that are not released, and while the block is being filled a number above all that
  // can be in it.
  std::atomic<uint32_t> live{kBytes};
};

namespace {

using Verb = MailboxNode::Verb;
using Block = MailboxBlock;

constexpr uint32_t kFirstNode =
    (sizeof(Block) + alignof(MailboxNode) - 1) & ~(alignof(MailboxNode) - 1);

// Marks in place of a queue.
constinit MailboxNode asleep_mark;
constinit MailboxNode closed_mark;
MailboxNode* const kAsleep = &asleep_mark;
MailboxNode* const kClosed = &closed_mark;

void release(Block* block, uint32_t nodes) noexcept {
  if (block->live.fetch_sub(nodes, std::memory_order_acq_rel) != nodes) return;
  block->~Block();
  free(block);
}

// The block that the thread is filling. Trivial, so that posts from the destructors of other
// thread_locals find it.
struct Filling {
  Block* block = nullptr;
  uint32_t used = Block::kBytes;
  uint32_t nodes = 0;
  bool thread_is_ending = false;
};
constinit thread_local Filling filling;

void finish_block() noexcept {
  if (filling.block != nullptr) release(filling.block, Block::kBytes - filling.nodes);
  filling.block = nullptr;
  filling.used = Block::kBytes;
  filling.nodes = 0;
}

struct AtThreadEnd {
  ~AtThreadEnd() {
    finish_block();
    filling.thread_is_ending = true;
  }
  void arm() const noexcept {}
};

bool begin_block() noexcept {
  finish_block();
  if (!filling.thread_is_ending) {
    thread_local const AtThreadEnd at_thread_end;
    at_thread_end.arm();
  }
  void* memory = malloc(Block::kBytes);
  if (memory == nullptr) return false;
  filling.block = new (memory) Block;
  filling.used = kFirstNode;
  return true;
}

MailboxNode* reversed(MailboxNode* node) noexcept {
  MailboxNode* result = nullptr;
  while (node != nullptr) {
    MailboxNode* next = node->next;
    node->next = result;
    result = node;
    node = next;
  }
  return result;
}

}  // namespace

MailboxNode* Mailbox::allocate(size_t bytes) noexcept {
  if (filling.used + bytes > Block::kBytes && !begin_block()) return nullptr;
  auto* node = new (reinterpret_cast<char*>(filling.block) + filling.used) MailboxNode;
  node->block = filling.block;
  filling.used += static_cast<uint32_t>(bytes);
  ++filling.nodes;
  if (filling.thread_is_ending) finish_block();
  return node;
}

void Mailbox::abandon(MailboxNode& node) noexcept { act_on_all(&node, Verb::kDiscard); }

bool Mailbox::push(MailboxNode& node) noexcept {
  MailboxNode* head = head_.load(std::memory_order_relaxed);
  while (head != kClosed) {
    if (head == kAsleep) {
      if (push_and_wake(node, head)) return true;
      continue;
    }
    node.next = head;
    if (head_.compare_exchange_weak(head, &node, std::memory_order_release,
                                    std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

// The count lets close() wait for a producer that is between its exchange and the end of wake(): by
// then the callable may have run and have ended the loop.
bool Mailbox::push_and_wake(MailboxNode& node, MailboxNode*& head) noexcept {
  wakes_under_way_.fetch_add(1, std::memory_order_relaxed);
  node.next = nullptr;
  const bool pushed = head_.compare_exchange_strong(head, &node, std::memory_order_release,
                                                    std::memory_order_relaxed);
  if (pushed) waker_.wake();
  wakes_under_way_.fetch_sub(1, std::memory_order_release);
  return pushed;
}

MailboxNode* Mailbox::take() noexcept {
  MailboxNode* head = head_.load(std::memory_order_relaxed);
  if (head == nullptr) return nullptr;
  if (head == kClosed) return std::exchange(left_at_close_, nullptr);
  head = head_.exchange(nullptr, std::memory_order_acquire);
  return head == kAsleep ? nullptr : reversed(head);
}

size_t Mailbox::act_on_all(MailboxNode* node, Verb verb) noexcept {
  size_t count = 0;
  Block* block = nullptr;
  uint32_t in_block = 0;
  while (node != nullptr) {
    MailboxNode* next = node->next;
    Block* of_node = node->block;
    node->act(*node, verb);
    ++count;
    if (of_node != nullptr) {
      if (of_node != block) {
        if (block != nullptr) release(block, in_block);
        block = of_node;
        in_block = 0;
      }
      ++in_block;
    }
    node = next;
  }
  if (block != nullptr) release(block, in_block);
  return count;
}

size_t Mailbox::drain() noexcept { return act_on_all(take(), Verb::kRun); }

bool Mailbox::prepare_sleep() noexcept {
  MailboxNode* head = nullptr;
  if (head_.compare_exchange_strong(head, kAsleep, std::memory_order_relaxed)) return true;
  return head == kAsleep || (head == kClosed && left_at_close_ == nullptr);
}

void Mailbox::woken() noexcept {
  MailboxNode* head = kAsleep;
  head_.compare_exchange_strong(head, nullptr, std::memory_order_relaxed);
}

void Mailbox::close() noexcept {
  MailboxNode* head = head_.exchange(kClosed, std::memory_order_acquire);
  if (head != nullptr && head != kAsleep && head != kClosed) left_at_close_ = reversed(head);
  while (wakes_under_way_.load(std::memory_order_acquire) != 0) std::this_thread::yield();
}

size_t Mailbox::discard() noexcept {
  close();
  return act_on_all(std::exchange(left_at_close_, nullptr), Verb::kDiscard);
}

}  // namespace eddy
