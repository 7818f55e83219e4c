// One reactor's part in a run: an engine with its share of the connections and of the schedule,
// taken through the run's course.
//
// What it has measured it hands over whole, a slice of time after the other, and goes on with an
// empty record: nothing is added up, encoded or written here, where it would make requests late.
//
// Threads: its reactor's, in which its events are called, too.
#pragma once

#include <eddy/core/reactor.h>
#include <stdint.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>

#include "load/churn.h"
#include "load/options.h"
#include "load/record.h"
#include "load/spare_records.h"
#include "load/traffic.h"

namespace eddy::load {

// How things stand: a tenth of a second ago at the most.
struct Status {
  uint64_t open_connections = 0;
  uint64_t connected = 0;
  uint64_t in_flight = 0;
  uint64_t completed = 0;
  uint64_t troubles = 0;
  bool is_hopeless = false;

  Status& operator+=(const Status& other);
};

// … of one worker: it writes, and whoever wants to know reads. Threads: any.
class SharedStatus {
 public:
  void set(const Status& status) {
    const std::lock_guard lock(mutex_);
    status_ = status;
  }
  Status get() const {
    const std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  mutable std::mutex mutex_;
  Status status_;
};

class Worker {
 public:
  // What is known when it is over.
  struct Outcome {
    Troubles troubles;
    Churned churned;
    uint64_t connected = 0;
    uint64_t answered = 0;  // warm-up and all
    TimePoint from;         // the window, as it was here; both are the same if it never began
    TimePoint to;
    uint64_t cpu_ns = 0;  // of this thread, in the window
  };
  struct Events {
    // Each connection stands, or could not be made, for the first time.
    std::function<void()> settled;
    // So many slices of the window have ended, and this was measured since the last call. 0: before
    // the window. kRest: between the last slice and the window's end.
    std::function<void(std::unique_ptr<Record>, uint64_t slices)> measured;
    // With what was measured after the window's end. The connections end now, see `is_over`.
    std::function<void(const Outcome&, std::unique_ptr<Record>)> ended;
  };

  static constexpr uint64_t kRest = UINT64_MAX;

  // Of the options, the connections, the rate of churn and the number of requests are this
  // worker's alone. All of these outlive it.
  Worker(Reactor& reactor, const LoadOptions& options, const Schedule& schedule,
         std::chrono::nanoseconds slice, SpareRecords& spare, SharedStatus& status, Events events);

  void open();
  // Once settled. The start may lie ahead.
  void begin(const Traffic::Course& course);
  // Ends the window, if it has begun, and waits for what is in flight.
  void interrupt();
  // Ends everything.
  void finish();

  // Its connections have ended, too: it may go.
  bool is_over() const { return phase_ == Phase::kOver && traffic_->is_closed(); }

 private:
  enum class Phase : uint8_t { kConnecting, kWarmup, kMeasuring, kDraining, kOver };

  void start_load();
  void begin_window();
  void end_window();
  void drained();
  void end_slice();
  std::unique_ptr<Record> take_record();
  void tend();
  void churn();
  void publish();
  void enter(Phase phase, TimePoint until, void (Worker::*next)());

  Reactor& reactor_;
  const LoadOptions& options_;
  const std::chrono::nanoseconds slice_;
  SpareRecords& spare_;
  SharedStatus& status_;
  const Events events_;
  const std::unique_ptr<Traffic> traffic_;
  Churn churn_;
  Phase phase_ = Phase::kConnecting;
  Traffic::Course course_{};
  uint64_t slices_ = 0;  // handed over
  TimePoint from_;
  TimePoint to_;
  uint64_t cpu_from_ns_ = 0;
  uint64_t cpu_to_ns_ = 0;
  TimePoint next_kill_;
  TimerId phase_timer_;
  TimerId slice_timer_;
  TimerId tend_timer_;
  TimerId churn_timer_;
};

}  // namespace eddy::load
