#include "load/run.h"

#include <algorithm>
#include <utility>

#include "cpu_time.h"
#include "load/plan.h"
#include "load/quantile_interval.h"
#include "load/random.h"

namespace eddy::load {
namespace {

using namespace std::chrono_literals;

constexpr auto kTendEvery = 100ms;
constexpr auto kShowEvery = 1s;
// By then, every thread has heard when the run starts.
constexpr std::chrono::nanoseconds kHearing = 5ms;

double seconds_of(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

LoadRun::LoadRun(Reactor& reactor, const LoadOptions& options, Outputs* outputs, ReactorPool* pool)
    : reactor_(reactor),
      options_(options),
      schedule_(schedule_of(options_)),
      slice_(slice_of(options_)),
      outputs_(outputs),
      pool_(pool),
      spare_(options.mix.kinds()),
      total_(options.mix.kinds()),
      second_(options.mix.kinds()),
      rest_(options.mix.kinds()),
      after_(options.mix.kinds()) {
  for (unsigned i = 0; i < options_.threads; ++i) parts_.emplace_back(part_of(options_, i));
  if (is_open_loop(options_) && options_.requests) {
    options_.duration = window_of(schedule_, options_);
  }
  if (pool_ == nullptr) {
    for (unsigned i = 0; i < options_.threads; ++i) own_.push_back(make_worker(reactor_, i));
    return;
  }
  pool_->set_up([this](Reactor& own, unsigned i) { return make_worker(own, i); });
  pool_->on_end([this] { reactor_.post([this] { pool_ended(); }); });
}

std::unique_ptr<Worker> LoadRun::make_worker(Reactor& reactor, unsigned index) {
  Part& part = parts_[index];
  auto worker = std::make_unique<Worker>(
      reactor, part.options, schedule_, slice_, spare_, part.status,
      Worker::Events{
          .settled = [this] { hear([this] { settled(); }); },
          .measured =
              [this, &part](std::unique_ptr<Record> record, uint64_t slices) {
                hear([this, &part, slices, record = std::move(record)]() mutable {
                  measured(part, std::move(record), slices);
                });
              },
          .ended =
              [this, &part](const Worker::Outcome& outcome, std::unique_ptr<Record> record) {
                hear([this, &part, outcome, record = std::move(record)] {
                  record->settle();
                  ended(part, outcome, *record);
                });
              }});
  part.worker = worker.get();
  if (pool_ != nullptr) worker->open();
  return worker;
}

// Has `work(worker)` run in each worker's thread.
template <typename Work>
void LoadRun::tell_all(const Work& work) {
  for (unsigned i = 0; i < parts_.size(); ++i) {
    if (pool_ == nullptr) {
      work(*parts_[i].worker);
    } else {
      pool_->post(i, [part = &parts_[i], work] { work(*part->worker); });
    }
  }
}

// Has it run in this run's thread; called in a worker's.
template <typename Work>
void LoadRun::hear(Work work) {
  if (pool_ == nullptr) return work();
  if (!reactor_.post(std::move(work))) throw std::bad_alloc();
}

Result<void> LoadRun::start() {
  tend_timer_ = reactor_.start_timer(kTendEvery, [this] { tend(); }, {.period = kTendEvery});
  arm_show();
  if (pool_ != nullptr) return start_pool();
  tell_all([](Worker& worker) { worker.open(); });
  return {};
}

Result<void> LoadRun::start_pool() {
  const auto started = pool_->start();
  // Its end is told to this reactor, which waits for it.
  pool_runs_ = started.has_value();
  if (pool_runs_) reactor_.ref();
  return started;
}

void LoadRun::enter(Phase phase, TimePoint until, void (LoadRun::*next)()) {
  phase_ = phase;
  reactor_.cancel_timer(phase_timer_);
  phase_timer_ = reactor_.start_timer_at(until, [this, next] { (this->*next)(); });
}

// --- The course

void LoadRun::settled() {
  if (++settled_ < parts_.size() || phase_ != Phase::kConnecting) return;
  if (status().connected == 0) return finish();
  if (hold_) return hold_();
  begin(pool_ == nullptr ? reactor_.now() : after(reactor_.now(), kHearing));
}

void LoadRun::begin(TimePoint start) {
  if (phase_ != Phase::kConnecting) return;
  course_ = {.start = start,
             .window_begin = after(start, options_.warmup),
             .window_end = after(start, options_.warmup + options_.duration)};
  if (course_.window_begin <= reactor_.now()) {
    begin_window();
  } else {
    enter(Phase::kWarmup, course_.window_begin, &LoadRun::begin_window);
  }
  tell_all([course = course_](Worker& worker) { worker.begin(course); });
}

void LoadRun::begin_window() {
  from_ = mark();
  if (outputs_ != nullptr) outputs_->begin_window();
  enter(Phase::kMeasuring, course_.window_end, &LoadRun::end_window);
  arm_show();
}

void LoadRun::end_window() {
  if (phase_ != Phase::kMeasuring) return;
  phase_ = Phase::kDraining;
  reactor_.cancel_timer(phase_timer_);
  to_ = mark();
}

void LoadRun::interrupt() {
  if (phase_ == Phase::kOver) return;
  interrupted_ = true;
  if (phase_ == Phase::kDraining) return finish();
  end_window();
  tell_all([](Worker& worker) { worker.interrupt(); });
}

void LoadRun::finish() {
  tell_all([](Worker& worker) { worker.finish(); });
}

void LoadRun::ended(Part& part, const Worker::Outcome& outcome, const Record& record) {
  part.outcome = outcome;
  part.slices = UINT64_MAX;
  after_.merge(record);
  if (parts_.size() > 1) merge_into(part.lateness, record.lateness);
  is_heard_ = is_heard_ || record.bytes_received > 0;
  close_slices();
  if (++ended_ == parts_.size()) over();
}

// Every thread has ended, be it for a failure.
void LoadRun::pool_ended() {
  if (pool_runs_) reactor_.unref();
  pool_runs_ = false;
  if (phase_ != Phase::kOver) over();
}

void LoadRun::over() {
  end_window();
  phase_ = Phase::kOver;
  for (const TimerId timer : {phase_timer_, tend_timer_, show_timer_}) {
    reactor_.cancel_timer(timer);
  }
  second_.merge(rest_);
  completed_ = total_.completed + second_.completed;
  bytes_received_ = total_.bytes_received + second_.bytes_received;
  second_.merge(after_);
  if (from_.at != TimePoint()) {
    end_second(to_.at - from_.at - seconds_end_ * slice_);
  } else {
    total_.merge(second_);
  }
  show();
}

bool LoadRun::is_over() const {
  return phase_ == Phase::kOver && !pool_runs_ &&
         std::ranges::all_of(own_, [](const auto& worker) { return worker->is_over(); });
}

// --- What was measured

void LoadRun::measured(Part& part, std::unique_ptr<Record> record, uint64_t slices) {
  record->settle();
  is_heard_ = is_heard_ || record->bytes_received > 0;
  if (slices == 0) {
    // Before the window, as this worker noticed; but what it took to connect is told all the same,
    // and requests of the window may have begun, and ended.
    record->completed = 0;
    record->bytes_received = 0;
    record->strays = 0;
    second_.merge(*record);
    second_is_empty_ = false;
    return spare_.give(std::move(record));
  }
  part.slices = slices;
  if (parts_.size() > 1) merge_into(part.lateness, record->lateness);
  if (slices == Worker::kRest) {
    rest_.merge(*record);
    spare_.give(std::move(record));
  } else {
    add_pending(slices - slices_ - 1, std::move(record));
  }
  close_slices();
}

void LoadRun::add_pending(size_t place, std::unique_ptr<Record> record) {
  while (pending_.size() <= place) pending_.emplace_back();
  std::unique_ptr<Record>& slice = pending_[place];
  if (slice == nullptr) {
    slice = std::move(record);
  } else {
    slice->merge(*record);
    spare_.give(std::move(record));
  }
}

void LoadRun::close_slices() {
  const uint64_t complete = std::ranges::min_element(parts_, {}, &Part::slices)->slices;
  for (; !pending_.empty() && slices_ < complete; pending_.pop_front()) {
    add_slice(pending_.front().get());
    if (pending_.front() != nullptr) spare_.give(std::move(pending_.front()));
  }
}

// Null: nothing was measured in it.
void LoadRun::add_slice(Record* slice) {
  // What comes after the window belongs to its last second, so that is told when it is over.
  if ((slices_ - seconds_end_) * slice_ >= 1s - slice_ / 2)
    end_second((slices_ - seconds_end_) * slice_);
  ++slices_;
  if (slice == nullptr) return batches_.end_span();
  batches_.add(slice->response_of);
  if (second_is_empty_) {
    std::swap(second_, *slice);  // sooner done than adding it up
  } else {
    second_.merge(*slice);
  }
  second_is_empty_ = false;
}

void LoadRun::end_second(std::chrono::nanoseconds length) {
  const auto start = seconds_end_ * slice_;
  timeline_.add(start, length, second_);
  if (outputs_ != nullptr) outputs_->add(start, length, second_);
  for (Observer* observer : observers_) observer->add(start, length, second_);
  total_.merge(second_);
  second_.reset();
  second_is_empty_ = true;
  seconds_end_ = slices_;
  if (phase_ == Phase::kMeasuring) show();
  // Whoever looks may interrupt the run, if the window has not ended by itself meanwhile.
  if (!look_ || phase_ != Phase::kMeasuring) return;
  reactor_.post([this] {
    if (phase_ == Phase::kMeasuring) look_();
  });
}

QuantileInterval LoadRun::interval_so_far(double percent) const {
  return quantile_interval(response_so_far(), batches_, percent);
}

LoadRun::Mark LoadRun::mark() const {
  return {.at = reactor_.now(),
          .client_cpu_ns = tools::own_cpu_ns(),
          .server_cpu_ns = tools::processes_cpu_ns(options_.server_pids)};
}

LoadReport LoadRun::report() {
  LoadReport report = {.record = Record(options_.mix.kinds()),
                       .is_heard = is_heard_,
                       .interrupted = interrupted_,
                       .completed = completed_,
                       .bytes_received = bytes_received_,
                       .client_cpu_ns = to_.client_cpu_ns - from_.client_cpu_ns};
  report.record.merge(total_);
  TimePoint from = TimePoint::max();
  TimePoint to;
  for (const Part& part : parts_) {
    const Worker::Outcome& outcome = part.outcome;
    for (const auto& [trouble, count] : outcome.troubles) report.troubles[trouble] += count;
    report.churned += outcome.churned;
    report.connected += outcome.connected;
    report.answered += outcome.answered;
    const auto window = outcome.to - outcome.from;
    if (window > 0ns) {
      from = std::min(from, outcome.from);
      to = std::max(to, outcome.to);
    }
    WorkerReport& worker = report.workers.emplace_back();
    worker.connections = part.options.connections;
    worker.seconds = seconds_of(window);
    worker.cpu_ns = outcome.cpu_ns;
    merge_into(worker.lateness, parts_.size() > 1 ? part.lateness : total_.lateness);
  }
  report.seconds = to > from ? seconds_of(to - from) : 0;
  tell_certainty(report, batches_, options_);
  // A server that is gone at the end has no clock that could be read.
  if (to_.server_cpu_ns > from_.server_cpu_ns) {
    report.server_cpu_ns = to_.server_cpu_ns - from_.server_cpu_ns;
  }
  report.timeline = timeline_.spans();
  return report;
}

// --- Now and then

void LoadRun::tend() {
  if (status().is_hopeless) finish();
}

Status LoadRun::status() const {
  Status all = parts_.front().status.get();
  for (size_t i = 1; i < parts_.size(); ++i) all += parts_[i].status.get();
  return all;
}

Moment LoadRun::moment() const {
  const Status status = this->status();
  Moment moment = {.phase = phase_,
                   .left = -1ns,
                   .open_connections = status.open_connections,
                   .in_flight = status.in_flight,
                   .completed = status.completed,
                   .troubles = status.troubles};
  if (course_.start == TimePoint()) return moment;
  const TimePoint now = reactor_.now();
  moment.elapsed = now - course_.start;
  if (is_open_loop(options_) || !options_.requests) {
    moment.left = std::max<std::chrono::nanoseconds>(course_.window_end - now, 0ns);
  }
  return moment;
}

void LoadRun::show() {
  const Moment moment = this->moment();
  for (Observer* observer : observers_) observer->show(moment);
  arm_show();
}

// In the window it is the end of each second that shows it, unless that is long overdue.
void LoadRun::arm_show() {
  reactor_.cancel_timer(show_timer_);
  if (observers_.empty() || phase_ == Phase::kOver) return;
  const auto time = phase_ == Phase::kMeasuring ? 2 * kShowEvery : kShowEvery;
  show_timer_ = reactor_.start_timer(time, [this] { show(); });
}

}  // namespace eddy::load
