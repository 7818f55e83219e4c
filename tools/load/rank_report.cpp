#include "load/rank_report.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "load/hdr_codec.h"
#include "load/parcel.h"
#include "load/percentiles.h"

namespace eddy::load {
namespace {

// --- The numbers, in the order in which they are added and taken out

template <typename Report, typename Visit>
void each_number(Report& report, const Visit& visit) {
  auto& record = report.record;
  auto& requests = record.requests;
  for (auto* count : {&requests.scheduled,    &requests.answered,     &requests.wrong,
                      &requests.lost,         &requests.abandoned,    &requests.timed_out,
                      &requests.unanswered,   &requests.unsent,       &record.completed,
                      &record.bytes_received, &record.strays,         &record.handshakes.resumed,
                      &report.churned.reset,  &report.churned.closed, &report.churned.half_closed,
                      &report.connected,      &report.answered,       &report.completed,
                      &report.bytes_received, &report.client_cpu_ns}) {
    visit(*count);
  }
  for (auto& count : record.classes) visit(count);
  for (auto& response : record.response_of) visit(response);
  for (auto* times : {&record.service, &record.lag, &record.first_byte, &record.lateness,
                      &record.connect, &record.handshakes.times}) {
    visit(*times);
  }
}
// What is new in these is to be added above. (A record that is settled has nothing at once, and
// what handshakes agreed on is text.)
static_assert(sizeof(Requests) == 8 * sizeof(uint64_t));
static_assert(sizeof(Record) == sizeof(Requests) + (kAnswerClasses + 3) * sizeof(uint64_t) +
                                    2 * sizeof(std::vector<Histogram>) + 5 * sizeof(Histogram) +
                                    sizeof(Handshakes));
static_assert(sizeof(Handshakes) ==
              sizeof(Histogram) + sizeof(uint64_t) + sizeof(std::map<std::string, uint64_t>));
static_assert(sizeof(Churned) == 3 * sizeof(uint64_t));

struct How {
  uint64_t spans_per_batch = 1;
  uint64_t batches = 0;
};

How read_how(std::string_view bytes) {
  How how;
  ParcelReader reader(bytes);
  reader.take(how.spans_per_batch);
  reader.take(how.batches);
  return how;
}

// --- What is handed in

void add(ParcelWriter& parcel, const Troubles& troubles) {
  parcel.add(uint64_t{troubles.size()});
  for (const auto& [trouble, count] : troubles) {
    parcel.add(trouble.first);
    parcel.add(trouble.second);
    parcel.add(count);
  }
}

void take_into(Troubles& sum, ParcelReader& parcel) {
  uint64_t kinds = 0;
  for (parcel.take(kinds); kinds > 0 && parcel.ok(); --kinds) {
    std::pair<Trouble, std::string> trouble;
    uint64_t count = 0;
    parcel.take(trouble.first);
    parcel.take(trouble.second);
    parcel.take(count);
    if (parcel.ok()) sum[trouble] += count;
  }
}

using Agreed = std::map<std::string, uint64_t>;

void add(ParcelWriter& parcel, const Agreed& agreed) {
  parcel.add(uint64_t{agreed.size()});
  for (const auto& [what, count] : agreed) {
    parcel.add(what);
    parcel.add(count);
  }
}

void take_into(Agreed& sum, ParcelReader& parcel) {
  uint64_t kinds = 0;
  for (parcel.take(kinds); kinds > 0 && parcel.ok(); --kinds) {
    std::string what;
    uint64_t count = 0;
    parcel.take(what);
    parcel.take(count);
    if (parcel.ok()) sum[what] += count;
  }
}

void add(ParcelWriter& parcel, const std::vector<WorkerReport>& workers) {
  parcel.add(uint64_t{workers.size()});
  for (const WorkerReport& worker : workers) {
    parcel.add(worker.connections);
    parcel.add(worker.seconds);
    parcel.add(worker.cpu_ns);
    parcel.add(encode_hdr(worker.lateness));
  }
}

bool take_into(std::vector<WorkerReport>& workers, ParcelReader& parcel) {
  uint64_t count = 0;
  for (parcel.take(count); count > 0 && parcel.ok(); --count) {
    WorkerReport& worker = workers.emplace_back();
    std::string lateness;
    parcel.take(worker.connections);
    parcel.take(worker.seconds);
    parcel.take(worker.cpu_ns);
    parcel.take(lateness);
    const auto decoded = decode_hdr(lateness);
    if (!decoded || !worker.lateness.merge(*decoded)) return false;
  }
  return parcel.ok();
}

void add(ParcelWriter& parcel, const std::optional<int64_t>& time) {
  parcel.add(time.value_or(-1));
}

void take(ParcelReader& parcel, std::optional<int64_t>& time) {
  int64_t value = 0;
  parcel.take(value);
  if (value >= 0) time = value;
}

void add(ParcelWriter& parcel, const RankRow& row) {
  parcel.add(row.host);
  parcel.add(row.requests_per_second);
  add(parcel, row.p50);
  add(parcel, row.p99);
  parcel.add(row.maximum);
  parcel.add(row.cpu_percent);
  add(parcel, row.lateness_p99);
  parcel.add(row.clock_offset.count());
  parcel.add(row.start_uncertainty.count());
  parcel.add(row.verdict.status);
  parcel.add(row.verdict.word);
  parcel.add(row.verdict.reason);
}

RankRow take_row(ParcelReader& parcel) {
  RankRow row;
  int64_t offset = 0;
  int64_t uncertainty = 0;
  parcel.take(row.host);
  parcel.take(row.requests_per_second);
  take(parcel, row.p50);
  take(parcel, row.p99);
  parcel.take(row.maximum);
  parcel.take(row.cpu_percent);
  take(parcel, row.lateness_p99);
  parcel.take(offset);
  parcel.take(uncertainty);
  parcel.take(row.verdict.status);
  parcel.take(row.verdict.word);
  parcel.take(row.verdict.reason);
  row.clock_offset = std::chrono::nanoseconds(offset);
  row.start_uncertainty = std::chrono::nanoseconds(uncertainty);
  return row;
}

}  // namespace

RankRow row_of(const LoadReport& report, const Verdict& verdict, const std::string& host) {
  const Histogram response = report.record.response();
  return {.host = host,
          .requests_per_second = per_second(report.completed, report),
          .p50 = known_at(response, 50),
          .p99 = known_at(response, 99),
          .maximum = response.maximum(),
          .cpu_percent = percent_of_core(report.client_cpu_ns, report),
          .lateness_p99 = known_at(report.record.lateness, 99),
          .verdict = verdict};
}

std::string to_hand_in(const RankFindings& findings, const RankRow& row) {
  const LoadReport& report = findings.report;
  ParcelWriter parcel;
  parcel.add(report.is_heard);
  parcel.add(report.interrupted);
  parcel.add(report.seconds);
  parcel.add(report.server_cpu_ns);
  parcel.add(findings.batches.spans_per_batch());
  parcel.add(uint64_t{findings.batches.complete().size()});
  add(parcel, row);
  add(parcel, report.troubles);
  add(parcel, report.record.handshakes.agreed);
  add(parcel, report.workers);
  findings.timeline.write(parcel);
  return parcel.take();
}

Tally tally_of(const RankFindings& findings, std::string_view how) {
  const auto [spans_per_batch, batch_count] = read_how(how);
  Tally tally;
  each_number(findings.report, [&](const auto& number) { tally.add(number); });
  const std::vector<Histogram> batches = findings.batches.joined(spans_per_batch);
  for (size_t i = 0; i < batch_count; ++i) tally.add(batches[i]);
  return tally;
}

// --- On rank 0

bool RankSum::take(const std::string& handed_in) {
  ParcelReader parcel(handed_in);
  bool heard = false;
  bool interrupted = false;
  double seconds = 0;
  uint64_t server_cpu_ns = 0;
  uint64_t spans_per_batch = 0;
  uint64_t batches = 0;
  parcel.take(heard);
  parcel.take(interrupted);
  parcel.take(seconds);
  parcel.take(server_cpu_ns);
  parcel.take(spans_per_batch);
  parcel.take(batches);
  is_heard_ = is_heard_ || heard;
  interrupted_ = interrupted_ || interrupted;
  // They share a window.
  seconds_ = std::max(seconds_, seconds);
  server_cpu_ns_ = std::max(server_cpu_ns_, server_cpu_ns);
  // Both are powers of 2.
  spans_per_batch_ = std::max(spans_per_batch_, spans_per_batch);
  batches_.emplace_back(batches, spans_per_batch);
  rows_.push_back(take_row(parcel));
  take_into(troubles_, parcel);
  take_into(agreed_, parcel);
  if (!take_into(workers_, parcel)) return false;
  Timeline timeline;
  if (!timeline.read(parcel)) return false;
  timeline_.merge(std::move(timeline));
  return spans_per_batch > 0;
}

std::expected<RankSum, std::string> RankSum::of(const std::vector<std::string>& handed_in) {
  RankSum sum;
  for (size_t rank = 0; rank < handed_in.size(); ++rank) {
    if (!sum.take(handed_in[rank])) {
      return std::unexpected("what rank " + std::to_string(rank) + " found cannot be read");
    }
  }
  return sum;
}

std::string RankSum::how() const {
  uint64_t least = Batches::kMost;
  for (const auto& [batches, spans] : batches_) {
    least = std::min(least, batches * spans / spans_per_batch_);
  }
  ParcelWriter parcel;
  parcel.add(spans_per_batch_);
  parcel.add(least);
  return parcel.take();
}

std::expected<LoadReport, std::string> RankSum::report(const Tally& sum,
                                                       const LoadOptions& options) const {
  LoadReport report = {.record = Record(options.mix.kinds()),
                       .troubles = troubles_,
                       .is_heard = is_heard_,
                       .interrupted = interrupted_,
                       .timeline = timeline_.spans(),
                       .ranks = rows_,
                       .seconds = seconds_,
                       .server_cpu_ns = server_cpu_ns_};
  report.record.handshakes.agreed = agreed_;
  for (const WorkerReport& worker : workers_) {
    WorkerReport& copy = report.workers.emplace_back();
    copy.connections = worker.connections;
    copy.seconds = worker.seconds;
    copy.cpu_ns = worker.cpu_ns;
    merge_into(copy.lateness, worker.lateness);
  }
  TallyReader reader(sum);
  each_number(report, [&](auto& number) { reader.take(number); });
  std::vector<Histogram> batches;
  for (uint64_t left = read_how(how()).batches; left > 0; --left) {
    reader.take(batches.emplace_back(Batches::kOptions));
  }
  if (!reader.ok()) return std::unexpected("the ranks' numbers do not fit together");
  tell_certainty(report, Batches::of(std::move(batches)), options);
  return report;
}

// --- The verdict

namespace {

// The worse, the later.
size_t badness(int status) {
  static constexpr std::array kOrder = {
      kMeasured,      kMeasuredWithTroubles, kTooShortRun, kUnstableRun,
      kClientLimited, kInterrupted,          kNoAnswer,    kTlsFailed,
      kNoConnection,  kWrongAnswer,          kNotWritten};
  return static_cast<size_t>(std::ranges::find(kOrder, status) - kOrder.begin());
}

// Of so few requests as tell no p99, a single late one would be the client's limit.
bool counts_for_all(const RankRow& row) {
  const int status = row.verdict.status;
  return status == kClientLimited ? row.p99.has_value() : badness(status) > badness(kClientLimited);
}

}  // namespace

Verdict judge_ranks(const LoadReport& whole, const LoadOptions& options) {
  Verdict verdict = judge(whole, options);
  const Verdict own = verdict;
  for (size_t rank = 0; rank < whole.ranks.size(); ++rank) {
    const Verdict& of_rank = whole.ranks[rank].verdict;
    if (!counts_for_all(whole.ranks[rank]) || badness(of_rank.status) <= badness(verdict.status)) {
      continue;
    }
    verdict = of_rank;
    verdict.reason = "rank " + std::to_string(rank) + ": " + of_rank.reason;
  }
  verdict.thresholds = own.thresholds;
  // Crossed thresholds outweigh what else the run is worth.
  if (own.status == kCrossed && verdict.status != kCrossed) {
    verdict.status = kCrossed;
    verdict.reason += "; " + own.reason;
  }
  return verdict;
}

}  // namespace eddy::load
