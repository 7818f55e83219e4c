// The processes of one run, on one machine or on many, and what they can tell each other.
//
// What it is: `mpirun -np N eddy load …` starts N processes, the ranks 0 to N - 1, which are told
// apart by nothing else. The interface is as small as rank_session.h needs it, so that a test has
// ranks without MPI. A run that was not started by a launcher has none.
//
// Nothing here waits but the calls that say so: a rank may be gone for good.
//
// Threads: the one that called `join_ranks`.
#pragma once

#include <eddy/core/time.h>
#include <stdint.h>

#include <chrono>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace eddy::load {

struct RankMessage {
  uint32_t from = 0;
  std::string bytes;
};

class Ranks {
 public:
  virtual ~Ranks() = default;
  virtual uint32_t rank() const = 0;
  virtual uint32_t size() const = 0;
  // The name of this rank's machine.
  virtual std::string host() const = 0;
  // CLOCK_MONOTONIC of this rank's machine.
  virtual TimePoint now() const = 0;

  // Messages from one rank to another come in the order in which they were sent.
  virtual void send(uint32_t to, std::string bytes) = 0;
  // A message that has come. Polls for it for so long, with all of its CPU.
  virtual std::optional<RankMessage> receive(std::chrono::nanoseconds wait = {}) = 0;

  // Begins to add up, number by number, what all ranks hand in, and to find the greatest of each of
  // `maxima`. Each calls it once with as many numbers, which stay where they are until
  // `is_reduced`; then those of rank 0 are the result.
  virtual void reduce(std::span<uint64_t> sums, std::span<int64_t> maxima) = 0;
  virtual bool is_reduced() = 0;

  // What is wrong, if something is: nothing more can be told to others then.
  virtual const std::optional<std::string>& failure() const = 0;

  // Waits for all ranks to call it. What has been sent has arrived then.
  virtual void leave() = 0;
  // Ends all ranks at once, with that status.
  virtual void abort(int status) = 0;
};

// The ranks that this process was started among, after waiting until all are there: by mpirun, or
// another launcher that speaks PMIx or PMI. It is told by the environment (OMPI_COMM_WORLD_SIZE,
// PMIX_RANK, PMI_RANK), so that a process that was started alone does not pay for MPI. Null for
// that, and for a launcher's only rank. The error is one line.
std::expected<std::unique_ptr<Ranks>, std::string> join_ranks();

}  // namespace eddy::load
