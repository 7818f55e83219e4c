#include <eddy/core/check.h>
#include <eddy/sim/host_kernel.h>
#include <eddy/sim/name_server.h>
#include <eddy/sim/network.h>
#include <eddy/sim/simulation.h>
#include <eddy/sim/tcp_socket.h>
#include <inttypes.h>
#include <stdio.h>

#include <algorithm>

namespace eddy::sim {
namespace {

// How far a wall clock is set, at the most: 400 days.
constexpr int64_t kJumpMostNs = int64_t{400} * 86'400 * 1'000'000'000;

std::string seconds(int64_t ns) {
  char text[40];
  snprintf(text, sizeof text, "%" PRId64 ".%09" PRId64 " s", ns / 1'000'000'000,
           ns % 1'000'000'000);
  return text;
}

}  // namespace

Simulation::Simulation(uint64_t seed_of_world, Tape tape_of_world)
    : seed(seed_of_world),
      tape(std::move(tape_of_world)),
      network(std::make_unique<Network>(*this)),
      names(std::make_unique<NameServer>()) {}

Simulation::~Simulation() = default;

bool Simulation::strikes(Fault fault, const HostKernel& host) {
  if (!faults.strikes(fault)) return false;
  note(host, to_string(fault), {});
  return true;
}

void Simulation::note(const HostKernel& host, const char* event,
                      std::initializer_list<int64_t> values) {
  trace.note(now_ns_, host.name().c_str(), event, values);
}

void Simulation::jump_wall_clock(int64_t by_ns) {
  constexpr int64_t kLatest = kNever / 2;
  if (__builtin_add_overflow(wall_offset_ns_, by_ns, &wall_offset_ns_)) {
    wall_offset_ns_ = by_ns < 0 ? 0 : kLatest;
  }
  wall_offset_ns_ = std::clamp<int64_t>(wall_offset_ns_, 0, kLatest);
}

void Simulation::violation(std::string what) {
  if (!violations_.empty()) return;
  violations_ =
      "at " + seconds(now_ns_) + ", seed " + std::to_string(seed) + ": " + std::move(what);
}

// --- Loops

void Simulation::attach(HostKernel& host, Loop& loop) {
  loops_.push_back(std::make_unique<Driven>(Driven{&host, &loop, {}, true, 0}));
}

void Simulation::detach(Loop& loop) {
  std::erase_if(loops_, [&](const auto& driven) { return driven->loop == &loop; });
}

bool Simulation::has_loops(const HostKernel& host) const {
  return std::ranges::any_of(loops_, [&](const auto& driven) { return driven->host == &host; });
}

void Simulation::refresh() {
  for (const auto& driven : loops_) driven->fresh = true;
}

void Simulation::waits_on(const HostKernel& host, const FileRef& file) {
  if (!driving_.empty() && driving_.back()->host == &host) {
    driving_.back()->waits_on = file;
    return;
  }
  for (const auto& driven : loops_) {
    if (driven->host == &host && driven->loop->in_turn()) driven->waits_on = file;
  }
}

void Simulation::stall(const HostKernel& host, int64_t until_ns) {
  for (const auto& driven : loops_) {
    if (driven->host == &host) {
      driven->stalled_until_ns = std::max(driven->stalled_until_ns, until_ns);
    }
  }
  schedule.at(until_ns, [] {});
}

int64_t Simulation::stalled_until_ns(const HostKernel& host) const {
  int64_t until = 0;
  for (const auto& driven : loops_) {
    if (driven->host == &host) until = std::max(until, driven->stalled_until_ns);
  }
  return until;
}

void Simulation::bury(const HostKernel& host) {
  for (const auto& driven : loops_) {
    if (driven->host == &host) driven->dead = true;
  }
}

bool Simulation::runnable(const Driven& driven) const {
  if (driven.dead || driven.loop->in_turn() || driven.stalled_until_ns > now_ns_) return false;
  if (driven.fresh || driven.loop->has_work() || driven.loop->due_ns() <= now_ns_) return true;
  const FileRef file = driven.waits_on.lock();
  return file != nullptr && file->readiness() != 0;
}

Simulation::Driven* Simulation::pick() {
  candidates_.clear();
  for (const auto& driven : loops_) {
    if (runnable(*driven)) candidates_.push_back(driven.get());
  }
  return candidates_.empty() ? nullptr : candidates_[tape.draw(candidates_.size())];
}

void Simulation::drive(Driven& driven) {
  driven.fresh = false;
  if (strikes(Fault::kStall, *driven.host)) {
    return stall(*driven.host, now_ns_ + tape.between(1, 3'000'000'000));
  }
  if (strikes(Fault::kWallClockJumps, *driven.host)) {
    jump_wall_clock(tape.between(-kJumpMostNs, kJumpMostNs));
  }
  Loop* loop = driven.loop;
  note(*driven.host, "turn", {});
  driving_.push_back(&driven);
  loop->drive();
  driving_.pop_back();
  // A callback may do anything with other loops that live in this thread.
  for (const auto& other : loops_) {
    if (other->loop != loop && !other->loop->in_turn() && other->loop->has_work()) {
      other->fresh = true;
    }
  }
}

// --- Time

void Simulation::settle() {
  if (settling_) return;
  settling_ = true;
  while (schedule.next_ns() <= now_ns_) schedule.take()();
  settling_ = false;
}

int64_t Simulation::next_due_ns() {
  int64_t next = schedule.next_ns();
  for (const auto& driven : loops_) {
    if (driven->dead || driven->loop->in_turn() || driven->stalled_until_ns > now_ns_) continue;
    next = std::min(next, driven->loop->due_ns());
  }
  return next;
}

// False: nothing happens up to the limit.
bool Simulation::step(int64_t limit_ns) {
  settle();
  if (Driven* driven = pick()) {
    drive(*driven);
    return true;
  }
  const int64_t next = next_due_ns();
  if (next > limit_ns || next == kNever) return false;
  now_ns_ = std::max(now_ns_, next);
  settle();
  return true;
}

Simulation::Waited Simulation::wait(int64_t deadline_ns, const std::function<bool()>& ready) {
  for (;;) {
    settle();
    if (ready()) return Waited::kReady;
    if (now_ns_ >= deadline_ns) return Waited::kTimedOut;
    if (!impossible.empty()) return end(impossible.c_str());
    if (trace.events() > most_events) return end("more events than this world may have");
    if (step(deadline_ns)) continue;
    if (deadline_ns == kNever) return end("deadlock: nothing will ever happen again");
    now_ns_ = deadline_ns;
  }
}

Simulation::Waited Simulation::end(const char* why) {
  if (!has_ended_) fprintf(stderr, "%s\n%s\n", why, describe().c_str());
  has_ended_ = trace.events() > most_events;  // told once; a deadlock may come again
  return Waited::kDeadlocked;
}

void Simulation::idle() {
  const int64_t until = now_ns_ + kTurnNs;
  if (!driving_.empty()) {  // the world drives: it goes on by itself
    now_ns_ = until;
    return;
  }
  while (now_ns_ < until && step(until)) {
  }
  now_ns_ = std::max(now_ns_, until);
}

std::string Simulation::describe(const Driven& driven) const {
  const int64_t due = driven.loop->due_ns();
  const std::string timer = due == kNever ? "no timer" : "next timer at " + seconds(due);
  if (driven.dead) return "was killed";
  if (driven.stalled_until_ns > now_ns_) return "stalled until " + seconds(driven.stalled_until_ns);
  if (!driven.loop->in_turn()) return "has nothing to do, " + timer;
  return due == kNever ? "waits for an event without an end" : "waits for an event, " + timer;
}

std::string Simulation::describe() const {
  std::string text = "at " + seconds(now_ns_) + " of virtual time, seed " + std::to_string(seed) +
                     ", " + std::to_string(schedule.size()) + " things under way";
  if (!impossible.empty()) text += ", in an impossible world: " + impossible;
  for (const auto& driven : loops_) {
    text += "\n  " + driven->host->name() + ": " + describe(*driven) + ", " +
            std::to_string(driven->host->open_descriptors()) + " descriptors open";
    for (const auto& [number, connection] : network->connections()) {
      for (const TcpSide& side : connection->sides) {
        if (side.host != driven->host || side.socket == nullptr) continue;
        const TcpSide& other = connection->sides[&side == &connection->sides[0] ? 1 : 0];
        text += "\n    tcp " + side.name.to_string() + ":" + std::to_string(side.name.port) +
                " to " + other.name.to_string() + ":" + std::to_string(other.name.port) + ": " +
                (side.dead          ? "ended"
                 : side.established ? "open"
                                    : "connecting") +
                ", " + std::to_string(side.received.size()) + " bytes unread, " +
                std::to_string(side.to_send.size() + side.in_flight) + " unsent";
      }
    }
  }
  return text;
}

}  // namespace eddy::sim
