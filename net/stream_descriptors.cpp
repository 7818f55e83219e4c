// Descriptors that go with a stream's bytes, in either direction (unix(7), SCM_RIGHTS).
#include <eddy/core/kernel.h>
#include <eddy/net/stream_internal.h>

#include <algorithm>
#include <array>

namespace eddy {

ReceivedDescriptors::~ReceivedDescriptors() {
  for (const int descriptor : descriptors_) {
    if (descriptor >= 0) kernel_.close(descriptor);
  }
}

int ReceivedDescriptors::take(size_t index) { return std::exchange(descriptors_[index], -1); }

// By which calls the bytes move, once `kind` and `is_tcp` are known.
void StreamSlot::choose_transfer() {
  if (kind != DescriptorKind::kSocket) {
    transfer = Transfer::kFile;
  } else if (!is_tcp && options_->max_descriptors != 0) {
    transfer = Transfer::kDescriptors;
    most_descriptors = static_cast<uint8_t>(std::min(options_->max_descriptors, kMostDescriptors));
  }
}

void StreamSlot::on_descriptors(std::span<const int> descriptors, bool truncated) {
  std::array<int, kMostDescriptors> copy;
  std::ranges::copy(descriptors, copy.begin());
  ReceivedDescriptors received(reactor_.kernel(), std::span(copy).first(descriptors.size()),
                               truncated);
  if (!options_->on_descriptors || has(kMute | kClosing)) return;
  Stream self = handle();
  options_->on_descriptors(self, received);
}

bool StreamSlot::send_descriptors(Slice&& bytes, std::span<const int> descriptors) {
  const bool may = can_send() && transfer == Transfer::kDescriptors && !bytes.empty() &&
                   descriptors.size() <= kMostDescriptors;
  if (!may || !attach(descriptors)) {
    for (const int descriptor : descriptors) reactor_.kernel().close(descriptor);
    if (may) out_of_memory();
    return false;
  }
  queue(std::move(bytes));
  return !closing;
}

// To the byte that is queued next. False: no memory.
bool StreamSlot::attach(std::span<const int> descriptors) {
  if (descriptors.empty()) return true;
  if (!make_extra()) return false;
  begin_counting();
  try {
    extra_->attached.push_back(
        {extra_->queued_in_all, std::vector<int>(descriptors.begin(), descriptors.end())});
  } catch (const std::bad_alloc&) {
    return false;
  }
  return true;
}

Attachment StreamSlot::attachment() const {
  if (extra_ == nullptr || extra_->attached.empty()) return {};
  const auto& attached = extra_->attached;
  const uint64_t here = extra_->sent_in_all;
  if (attached.front().at != here) return {.most_bytes = attached.front().at - here};
  return {.descriptors = attached.front().descriptors,
          .most_bytes = attached.size() == 1 ? SIZE_MAX : attached[1].at - here};
}

// The receiver has descriptors of its own by now.
void StreamSlot::attachment_sent() {
  for (const int descriptor : extra_->attached.front().descriptors) {
    reactor_.kernel().close(descriptor);
  }
  extra_->attached.pop_front();
}

void StreamSlot::drop_attached() {
  while (extra_ != nullptr && !extra_->attached.empty()) attachment_sent();
}

}  // namespace eddy
