// Records that nobody uses at the moment, emptied: a worker takes one for each slice of time, and
// whoever has read it gives it back, so that a run needs no more of them than are under way.
//
// Threads: any.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "load/record.h"

namespace eddy::load {

class SpareRecords {
 public:
  explicit SpareRecords(size_t kinds) : kinds_(kinds) {}

  std::unique_ptr<Record> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!spare_.empty()) {
        std::unique_ptr<Record> record = std::move(spare_.back());
        spare_.pop_back();
        return record;
      }
    }
    return std::make_unique<Record>(kinds_);
  }

  void give(std::unique_ptr<Record> record) {
    record->reset();
    const std::lock_guard lock(mutex_);
    spare_.push_back(std::move(record));
  }

 private:
  const size_t kinds_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Record>> spare_;
};

}  // namespace eddy::load
