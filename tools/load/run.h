// The course of a run: connect, warm up, measure, wait for what is in flight, close.
//
// What it is: workers, each with a share of the connections and of the schedule, do it; LoadRun
// tells them the times that they share, and adds up what they measured, slice by slice. It works on
// a reactor of its own, so that adding up and writing files makes no request late. Without a pool
// the workers are on that same reactor, which is for tests and simulations.
//
// Threads: its reactor's alone.
#pragma once

#include <eddy/core/reactor.h>
#include <eddy/net/reactor_pool.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "load/batches.h"
#include "load/observer.h"
#include "load/options.h"
#include "load/outputs.h"
#include "load/report.h"
#include "load/spare_records.h"
#include "load/timeline.h"
#include "load/worker.h"

namespace eddy::load {

class LoadRun {
 public:
  // `outputs` and `pool` may be null. A pool has options.threads reactors, has not been started,
  // and is there until LoadRun's reactor has ended.
  LoadRun(Reactor& reactor, const LoadOptions& options, Outputs* outputs = nullptr,
          ReactorPool* pool = nullptr);

  // Before the start. The observer outlives this.
  void watch(Observer& observer) { observers_.push_back(&observer); }

  // The reactor then runs until the run is over. Fails as ReactorPool::start does.
  Result<void> start();
  // Before `start`: calls that in the place of beginning, once there is a connection and all have
  // settled. `begin` is then the caller's.
  void hold(std::function<void()> settled) { hold_ = std::move(settled); }
  // The moment may lie ahead.
  void begin(TimePoint start);
  // Ends the window early, with all that was measured until then; after its end, `finish`.
  void interrupt();
  // Ends it at once: what is in flight is not waited for, and told as unanswered.
  void finish();
  LoadReport report();

  // Calls it after each whole second of the window that has been measured.
  void on_second(std::function<void()> look) { look_ = std::move(look); }
  // What was measured in the window until then.
  Histogram response_so_far() const { return total_.response(); }
  QuantileInterval interval_so_far(double percent) const;

  // What the report was made from.
  const Batches& batches() const { return batches_; }
  const Timeline& timeline() const { return timeline_; }
  // Its connections have ended, too, and a pool's threads: it may go.
  bool is_over() const;

 private:
  using Phase = Moment::Phase;
  struct Mark {
    TimePoint at;
    uint64_t client_cpu_ns = 0;
    uint64_t server_cpu_ns = 0;
  };
  // What is known of a worker.
  struct Part {
    explicit Part(const LoadOptions& shared) : options(shared) {}

    LoadOptions options;
    Worker* worker = nullptr;  // in a pool, only its own thread looks at it
    SharedStatus status;
    uint64_t slices = 0;  // that it has handed over
    Histogram lateness;   // if there are several parts
    Worker::Outcome outcome{};
  };

  std::unique_ptr<Worker> make_worker(Reactor& reactor, unsigned index);
  template <typename Work>
  void tell_all(const Work& work);
  template <typename Work>
  void hear(Work work);

  Result<void> start_pool();
  void settled();
  void begin_window();
  void end_window();
  void measured(Part& part, std::unique_ptr<Record> record, uint64_t slices);
  void ended(Part& part, const Worker::Outcome& outcome, const Record& record);
  void pool_ended();
  void add_pending(size_t place, std::unique_ptr<Record> record);
  void close_slices();
  void add_slice(Record* slice);
  void end_second(std::chrono::nanoseconds length);
  void over();
  void tend();
  Status status() const;
  Moment moment() const;
  void show();
  void arm_show();
  void enter(Phase phase, TimePoint until, void (LoadRun::*next)());
  Mark mark() const;

  Reactor& reactor_;
  LoadOptions options_;
  const Schedule schedule_;
  const std::chrono::nanoseconds slice_;
  Outputs* const outputs_;
  std::vector<Observer*> observers_;
  std::function<void()> look_;
  ReactorPool* const pool_;
  SpareRecords spare_;
  std::deque<Part> parts_;                    // one for each worker
  std::vector<std::unique_ptr<Worker>> own_;  // without a pool
  std::function<void()> hold_;
  Phase phase_ = Phase::kConnecting;
  bool interrupted_ = false;
  bool is_heard_ = false;  // a byte has come
  size_t settled_ = 0;
  size_t ended_ = 0;
  bool pool_runs_ = false;
  Traffic::Course course_{};
  std::deque<std::unique_ptr<Record>> pending_;  // slices that not all workers have handed over
  uint64_t slices_ = 0;                          // that all have
  uint64_t seconds_end_ = 0;                     // slices that belong to seconds that are told
  Record total_;
  Record second_;  // that goes on
  bool second_is_empty_ = true;
  Record rest_;             // of the window, after its last slice
  Record after_;            // what came after the window's end
  uint64_t completed_ = 0;  // in the window
  uint64_t bytes_received_ = 0;
  Timeline timeline_;
  Batches batches_;  // of response times, within the window
  Mark from_;
  Mark to_;
  TimerId phase_timer_;
  TimerId tend_timer_;
  TimerId show_timer_;
};

}  // namespace eddy::load
