// Ranks on MPI: point-to-point messages and a reduction, none of which is waited for.
#include <mpi.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <utility>

#include "load/launcher.h"
#include "load/ranks.h"

namespace eddy::load {
namespace {

constexpr int kTag = 0;
constexpr int kRoot = 0;

TimePoint read_clock() {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return TimePoint(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

class MpiRanks final : public Ranks {
 public:
  MpiRanks() {
    // What goes wrong is told here, not by ending the process.
    check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
  }

  uint32_t rank() const override { return static_cast<uint32_t>(rank_); }
  uint32_t size() const override { return static_cast<uint32_t>(size_); }
  TimePoint now() const override { return read_clock(); }
  std::string host() const override {
    std::array<char, 256> name = {};
    gethostname(name.data(), name.size() - 1);
    return name.data();
  }

  void send(uint32_t to, std::string bytes) override;
  std::optional<RankMessage> receive(std::chrono::nanoseconds wait) override;
  void reduce(std::span<uint64_t> sums, std::span<int64_t> maxima) override;
  bool is_reduced() override;
  const std::optional<std::string>& failure() const override { return failure_; }
  void leave() override;
  void abort(int status) override;

 private:
  struct Sending {
    MPI_Request request = MPI_REQUEST_NULL;
    std::string bytes;
  };
  struct Receiving {
    MPI_Request request = MPI_REQUEST_NULL;
    RankMessage message;
  };

  bool check(int result, const char* call);
  bool is_done(MPI_Request& request, const char* call);
  void progress();
  void probe();
  std::optional<RankMessage> take_received();

  int rank_ = 0;
  int size_ = 1;
  std::deque<Sending> sending_;      // MPI reads from it, so it stays where it is
  std::deque<Receiving> receiving_;  // … and writes into it
  std::array<MPI_Request, 2> reductions_ = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
  std::optional<std::string> failure_;
};

bool MpiRanks::check(int result, const char* call) {
  if (result == MPI_SUCCESS) return true;
  if (!failure_) {
    std::array<char, MPI_MAX_ERROR_STRING> text = {};
    int length = 0;
    MPI_Error_string(result, text.data(), &length);
    failure_ = std::string(call) + ": " + text.data();
  }
  return false;
}

bool MpiRanks::is_done(MPI_Request& request, const char* call) {
  int done = 0;
  return check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), call) && done != 0;
}

void MpiRanks::send(uint32_t to, std::string bytes) {
  sending_.push_back({.bytes = std::move(bytes)});
  Sending& sending = sending_.back();
  if (!check(MPI_Isend(sending.bytes.data(), static_cast<int>(sending.bytes.size()), MPI_BYTE,
                       static_cast<int>(to), kTag, MPI_COMM_WORLD, &sending.request),
             "MPI_Isend")) {
    sending_.pop_back();
  }
}

void MpiRanks::progress() {
  while (!sending_.empty() && is_done(sending_.front().request, "MPI_Isend")) sending_.pop_front();
  probe();
}

// A message may be large, and its sender gone: it is not waited for either.
void MpiRanks::probe() {
  int found = 0;
  MPI_Message message = MPI_MESSAGE_NULL;
  MPI_Status status;
  if (!check(MPI_Improbe(MPI_ANY_SOURCE, kTag, MPI_COMM_WORLD, &found, &message, &status),
             "MPI_Improbe") ||
      found == 0) {
    return;
  }
  int size = 0;
  check(MPI_Get_count(&status, MPI_BYTE, &size), "MPI_Get_count");
  receiving_.push_back({.message = {.from = static_cast<uint32_t>(status.MPI_SOURCE)}});
  Receiving& receiving = receiving_.back();
  receiving.message.bytes.resize(static_cast<size_t>(size));
  check(MPI_Imrecv(receiving.message.bytes.data(), size, MPI_BYTE, &message, &receiving.request),
        "MPI_Imrecv");
}

// The first that is whole and does not overtake another of the same rank.
std::optional<RankMessage> MpiRanks::take_received() {
  for (auto each = receiving_.begin(); each != receiving_.end(); ++each) {
    const uint32_t from = each->message.from;
    const bool is_first = std::none_of(receiving_.begin(), each, [from](const Receiving& earlier) {
      return earlier.message.from == from;
    });
    if (!is_first || !is_done(each->request, "MPI_Imrecv")) continue;
    std::optional<RankMessage> message = std::move(each->message);
    receiving_.erase(each);
    return message;
  }
  return std::nullopt;
}

std::optional<RankMessage> MpiRanks::receive(std::chrono::nanoseconds wait) {
  const TimePoint until = wait.count() > 0 ? after(now(), wait) : TimePoint();
  while (!failure_) {
    progress();
    if (auto message = take_received()) return message;
    if (wait.count() == 0 || now() >= until) break;
    sched_yield();  // ranks may be more than cores
  }
  return std::nullopt;
}

void MpiRanks::reduce(std::span<uint64_t> sums, std::span<int64_t> maxima) {
  constexpr auto kMost = static_cast<size_t>(std::numeric_limits<int>::max());
  if (sums.size() > kMost || maxima.size() > kMost) {
    failure_ = "more numbers than one MPI_Ireduce takes";
    return;
  }
  const auto start = [this](auto numbers, MPI_Datatype type, MPI_Op operation, MPI_Request& to) {
    const bool is_root = rank_ == kRoot;
    check(
        MPI_Ireduce(is_root ? MPI_IN_PLACE : numbers.data(), is_root ? numbers.data() : nullptr,
                    static_cast<int>(numbers.size()), type, operation, kRoot, MPI_COMM_WORLD, &to),
        "MPI_Ireduce");
  };
  start(sums, MPI_UINT64_T, MPI_SUM, reductions_[0]);
  start(maxima, MPI_INT64_T, MPI_MAX, reductions_[1]);
}

bool MpiRanks::is_reduced() {
  return !failure_ && is_done(reductions_[0], "MPI_Ireduce") &&
         is_done(reductions_[1], "MPI_Ireduce");
}

void MpiRanks::leave() { check(MPI_Finalize(), "MPI_Finalize"); }

void MpiRanks::abort(int status) { MPI_Abort(MPI_COMM_WORLD, status); }

}  // namespace

std::expected<std::unique_ptr<Ranks>, std::string> join_ranks() {
  if (!was_launched_as_rank()) return nullptr;
  int provided = 0;
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS) {
    return std::unexpected("MPI_Init_thread: failed");
  }
  if (provided < MPI_THREAD_FUNNELED) {
    return std::unexpected("MPI_Init_thread: this MPI does not allow for threads");
  }
  auto ranks = std::make_unique<MpiRanks>();
  if (ranks->failure()) return std::unexpected(*ranks->failure());
  if (ranks->size() > 1) return ranks;
  ranks->leave();
  return nullptr;
}

}  // namespace eddy::load
