#include "load/script_engine.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "load/store_text.h"

namespace eddy::load {
namespace {

using Part = ScriptPart::Kind;
using Step = ScriptStep::Kind;

constexpr size_t kMostEarlyBytes = size_t{64} * 1024;
constexpr size_t kMostLineBytes = size_t{64} * 1024;

void append_number(std::string& out, uint64_t number) {
  std::array<char, 20> digits;
  out.append(digits.data(),
             std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
}

}  // namespace

ScriptEngine::ScriptEngine(Reactor& reactor, const LoadOptions& options, const Schedule& schedule,
                           Events events)
    : Engine(reactor, options, schedule, std::move(events)),
      script_(*options.script),
      keys_(options.store.keys, options.store.skew, Random::seed_of(options.seed, 100)),
      random_(Random::seed_of(options.seed, 101)),
      key_zero_(key_zero(kValueKeys)),
      value_(value_of_size(options.size)),
      next_seq_(options.share.index),
      passes_(size_t{options.connections} * options.depth),
      sessions_(options.connections) {}

void ScriptEngine::start(Seat& seat) {
  Session& session = sessions_[seat.number];
  session.step = script_.opening();
  session.matched = 0;
  session.line.clear();
  session.early.clear();
}

// --- Sending

std::string_view ScriptEngine::rendered(const Seat& seat, const ScriptText& text,
                                        const Pass& pass) {
  if (text.size() == 1 && text[0].kind == Part::kBytes) return text[0].bytes;
  text_.clear();
  for (const ScriptPart& part : text) {
    switch (part.kind) {
      case Part::kBytes: text_ += part.bytes; break;
      case Part::kSeq: append_number(text_, pass.seq); break;
      case Part::kConnection: append_number(text_, number_of(seat)); break;
      case Part::kKey:
        text_ += key_zero_;
        put_key_number(text_.data() + text_.size(), pass.key);
        break;
      case Part::kValue: text_ += value_; break;
      case Part::kRandom:
        append_number(text_, part.from + random_.below(part.to - part.from + 1));
        break;
      case Part::kStar: break;  // the script has them between texts
    }
  }
  return text_;
}

void ScriptEngine::send(Seat& seat, const ScriptStep& step, const Pass& pass) {
  const ScriptText& text = step.texts[0];
  const std::string_view bytes = rendered(seat, text, pass);
  const bool is_lasting = text.size() == 1 && text[0].kind == Part::kBytes;
  is_lasting ? seat.stream.send(Slice::of_static(bytes)) : seat.stream.send(bytes);
}

void ScriptEngine::write(Seat& seat, uint32_t first, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    Pass& pass = pass_of(seat, first + i);
    pass = {.seq = next_seq_, .key = keys_.next()};
    next_seq_ += options().share.of;
    for (size_t step = 0; step < script_.opening(); ++step) send(seat, script_[step], pass);
  }
  Session& session = sessions_[seat.number];
  if (session.early.empty()) return;
  const std::string early = std::exchange(session.early, {});
  play(seat, early);
}

// --- What comes back

bool ScriptEngine::receive(Seat& seat, std::string_view bytes) {
  const Session& session = sessions_[seat.number];
  play(seat, bytes);
  return session.step != script_.opening() || session.matched > 0;
}

void ScriptEngine::play(Seat& seat, std::string_view bytes) {
  Session& session = sessions_[seat.number];
  while (seat.in_flight > 0) {
    const ScriptStep& step = script_[session.step];
    if (step.kind == Step::kSend) {
      send(seat, step, pass_of(seat, seat.oldest));
      ++session.step;
      continue;
    }
    if (bytes.empty()) return;
    const Match found = match(seat, step, bytes);
    if (found == Match::kNeedMore) return;
    if (found == Match::kWrong) {
      return fail(seat, Trouble::kWrong,
                  "not what line " + std::to_string(step.line) + " of the script expects");
    }
    session.matched = 0;
    if (++session.step == script_.size()) end_pass(seat);
  }
  if (!bytes.empty()) keep_early(seat, bytes);
}

void ScriptEngine::end_pass(Seat& seat) {
  sessions_[seat.number].step = script_.opening();
  answered(seat);
}

void ScriptEngine::keep_early(Seat& seat, std::string_view bytes) {
  std::string& early = sessions_[seat.number].early;
  if (script_.opening() > 0 || early.size() + bytes.size() > kMostEarlyBytes) {
    return fail(seat, Trouble::kWrong, "more came than the script expects");
  }
  early += bytes;
}

void ScriptEngine::receive_end(Seat& seat) {
  const Session& session = sessions_[seat.number];
  if (seat.in_flight > 0 && script_[session.step].kind == Step::kEnd) end_pass(seat);
  if (seat.in_flight > 0) return fail(seat, Trouble::kLost, "closed by the server");
  retire(seat);
}

ScriptEngine::Match ScriptEngine::match(const Seat& seat, const ScriptStep& step,
                                        std::string_view& bytes) {
  uint64_t& matched = sessions_[seat.number].matched;
  switch (step.kind) {
    case Step::kExact: return match_exact(seat, step, bytes);
    case Step::kLine: return match_line(seat, step, bytes);
    case Step::kBytes: {
      const uint64_t count = std::min<uint64_t>(bytes.size(), step.count - matched);
      bytes.remove_prefix(count);
      matched += count;
      return matched == step.count ? Match::kDone : Match::kNeedMore;
    }
    case Step::kUntil: {
      const std::string_view wanted = step.texts[0][0].bytes;
      while (!bytes.empty() && matched < wanted.size()) {
        while (matched > 0 && bytes[0] != wanted[matched]) matched = step.borders[matched - 1];
        if (bytes[0] == wanted[matched]) ++matched;
        bytes.remove_prefix(1);
      }
      return matched == wanted.size() ? Match::kDone : Match::kNeedMore;
    }
    case Step::kEnd:
    case Step::kSend: break;
  }
  return Match::kWrong;
}

ScriptEngine::Match ScriptEngine::match_exact(const Seat& seat, const ScriptStep& step,
                                              std::string_view& bytes) {
  uint64_t& matched = sessions_[seat.number].matched;
  const std::string_view wanted =
      rendered(seat, step.texts[0], pass_of(seat, seat.oldest)).substr(matched);
  const size_t count = std::min(bytes.size(), wanted.size());
  if (bytes.substr(0, count) != wanted.substr(0, count)) return Match::kWrong;
  bytes.remove_prefix(count);
  matched += count;
  return count == wanted.size() ? Match::kDone : Match::kNeedMore;
}

ScriptEngine::Match ScriptEngine::match_line(const Seat& seat, const ScriptStep& step,
                                             std::string_view& bytes) {
  Session& session = sessions_[seat.number];
  const size_t lf = bytes.find('\n');
  std::string_view line = bytes.substr(0, lf);
  bytes.remove_prefix(lf == std::string_view::npos ? bytes.size() : lf + 1);
  session.matched += line.size();
  if (session.matched > kMostLineBytes) return Match::kWrong;
  if (lf == std::string_view::npos || !session.line.empty()) line = session.line.append(line);
  if (lf == std::string_view::npos) return Match::kNeedMore;
  if (line.ends_with('\r')) line.remove_suffix(1);
  const bool is_right = fits(seat, step, line);
  session.line.clear();
  return is_right ? Match::kDone : Match::kWrong;
}

// The first text begins the line, the last one ends it, and the others lie between them in their
// order.
bool ScriptEngine::fits(const Seat& seat, const ScriptStep& step, std::string_view line) {
  const Pass& pass = pass_of(seat, seat.oldest);
  const size_t last = step.texts.size() - 1;
  const std::string_view begin = rendered(seat, step.texts[0], pass);
  if (last == 0) return line == begin;
  if (!line.starts_with(begin)) return false;
  line.remove_prefix(begin.size());
  for (size_t i = 1; i < last; ++i) {
    const std::string_view text = rendered(seat, step.texts[i], pass);
    const size_t at = line.find(text);
    if (at == std::string_view::npos) return false;
    line.remove_prefix(at + text.size());
  }
  return line.ends_with(rendered(seat, step.texts[last], pass));
}

}  // namespace eddy::load
