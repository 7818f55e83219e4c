// Requests to a store: a mix of commands on keys of a distribution.
//
// What counts as an answer: a whole reply that is no error. That a key is not there is an answer.
// An error is a wrong answer, told by its text; the connection goes on.
//
// `Dialect` is how a store speaks:
//   Parser                            of replies: next, reset
//   write(room, command, key, value)  a command into `room`: how many bytes, the same for each key
//   judge(parser, command)            what the reply at hand is to that command
//   class_of(parser, command)         whether an answer to a read has found its key
//   cause(parser, command)            … in words, if it is none that counts
//   key_place(command)                where in the text of a reply its key begins; 0: it has none
#pragma once

#include <string.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "load/engine.h"
#include "load/keys.h"
#include "load/known_answer.h"
#include "load/store_text.h"

namespace eddy::load {

enum class StoreReply : uint8_t {
  kAnswer,
  kNone,   // it answers nobody
  kError,  // the connection goes on
  kWrong,  // of another command: it does not
};

template <typename Dialect>
class StoreEngine final : public Engine {
 public:
  StoreEngine(Reactor& reactor, const LoadOptions& options, const Schedule& schedule, Events events)
      : Engine(reactor, options, schedule, std::move(events)),
        keys_(options.store.fill ? Keys::in_turn(options.share.index, options.share.of)
                                 : Keys(options.store.keys, options.store.skew,
                                        Random::seed_of(options.seed, 100))),
        parsers_(options.connections, Parser(typename Parser::Options{})),
        known_(options.store.commands.size()),
        asked_(size_t{options.connections} * options.depth) {
    const std::string value = value_of_size(options.size);
    for (const StoreCommand command : options.store.commands) {
      commands_.push_back(text_of(command, value));
      commands_.back().key_place = Dialect::key_place(command);
      longest_ = std::max(longest_, commands_.back().text.size());
    }
  }

 private:
  using Parser = typename Dialect::Parser;

  // As it is sent, but for the number of its key.
  struct CommandText {
    std::string text;
    size_t key_end = 0;    // 0: it has no key
    size_t key_place = 0;  // in a reply to it; 0: nowhere
  };
  static CommandText text_of(StoreCommand command, const std::string& value) {
    const std::string key = key_zero(counts(command) ? kNumberKeys : kValueKeys);
    std::string room(128 + key.size() + value.size(), '\0');
    room.resize(Dialect::write(room, command, key, value));
    const size_t place = room.find(key);
    return {.text = room, .key_end = place == std::string::npos ? 0 : place + key.size()};
  }

  StoreCommand command_of(const Seat& seat, uint32_t place) {
    return options().store.commands[request_of(seat, place).kind];
  }

  void start(Seat& seat) override { parsers_[seat.number].reset(); }

  void write(Seat& seat, uint32_t first, uint32_t count) override {
    const std::span<char> room = seat.stream.reserve(count * longest_);
    size_t size = 0;
    for (uint32_t i = 0; i < count && size + longest_ <= room.size(); ++i) {
      const CommandText& command = commands_[request_of(seat, first + i).kind];
      char* const out = room.data() + size;
      std::copy(command.text.begin(), command.text.end(), out);
      if (command.key_end > 0) put_key_number(out + command.key_end, keys_.next());
      if (command.key_place > 0) {
        memcpy(asked(seat, first + i).data(), out + command.key_end - kKeyBytes, kKeyBytes);
      }
      size += command.text.size();
    }
    seat.stream.commit(size);
  }

  bool receive(Seat& seat, std::string_view bytes) override {
    Parser& parser = parsers_[seat.number];
    for (bool is_amid = seat.is_amid_answer;; is_amid = false) {
      if (!is_amid && take_known(seat, bytes)) {
        if (bytes.empty()) return false;
        continue;
      }
      const std::string_view from = bytes;
      const bool has_bytes = !bytes.empty();
      const auto event = parser.next(bytes);
      if (!event) {
        fail(seat, Trouble::kWrong, event.error().code().message());
        return false;
      }
      if (*event == Parser::Event::kNeedMore) return is_amid || has_bytes;
      const size_t taken = is_amid ? 0 : from.size() - bytes.size();
      if (!take_reply(seat, parser, from.substr(0, taken))) return false;
    }
  }

  bool take_known(Seat& seat, std::string_view& bytes) {
    if (seat.in_flight == 0) return false;
    const uint32_t kind = request_of(seat, seat.oldest).kind;
    KnownAnswer& known = known_[kind];
    if (const size_t place = commands_[kind].key_place; place > 0) {
      const Key& key = asked(seat, seat.oldest);
      known.put(place, {key.data(), key.size()});
    }
    if (!known.take(bytes)) return false;
    answered(seat, known.what());
    return true;
  }

  using Key = std::array<char, kKeyBytes>;
  Key& asked(const Seat& seat, uint32_t place) {
    if (place >= options().depth) place -= options().depth;
    return asked_[size_t{seat.number} * options().depth + place];
  }

  // A value that came in one piece with its key has the one that the oldest request asked for.
  bool is_of_other_key(const Seat& seat, uint32_t kind, std::string_view whole) {
    const size_t place = commands_[kind].key_place;
    if (place == 0 || whole.size() <= place + kKeyBytes) return false;
    return memcmp(asked(seat, seat.oldest).data(), whole.data() + place, kKeyBytes) != 0 ||
           whole[place + kKeyBytes] != ' ';
  }

  // `whole`: all of its bytes, if they came in one piece. False: the connection is of no use any
  // more.
  bool take_reply(Seat& seat, const Parser& parser, std::string_view whole) {
    // Without a request there is no command; what the ring has there is an old one.
    const StoreCommand command = command_of(seat, seat.oldest);
    const StoreReply reply = Dialect::judge(parser, command);
    if (reply == StoreReply::kNone) return true;
    if (seat.in_flight == 0) {
      fail(seat, Trouble::kWrong, "a reply that nobody asked for");
      return false;
    }
    if (reply == StoreReply::kAnswer) {
      const uint32_t kind = request_of(seat, seat.oldest).kind;
      if (is_of_other_key(seat, kind, whole)) {
        fail(seat, Trouble::kWrong, "the value of another key");
        return false;
      }
      const AnswerClass what = Dialect::class_of(parser, command);
      known_[kind].remember(whole, what);
      answered(seat, what);
    } else if (reply == StoreReply::kError) {
      const std::string cause = Dialect::cause(parser, command);
      answered_wrong(seat, cause.empty() ? "an error without a text" : cause);
    } else {
      fail(seat, Trouble::kWrong, Dialect::cause(parser, command));
    }
    return reply != StoreReply::kWrong;
  }

  Keys keys_;
  std::vector<CommandText> commands_;  // by kind
  size_t longest_ = 0;                 // of them, in bytes
  std::vector<Parser> parsers_;        // by seat
  std::vector<KnownAnswer> known_;     // by kind
  std::vector<Key> asked_;             // by place in the ring, where a reply has a key
};

}  // namespace eddy::load
