// Requests to a server that speaks the Redis protocol. A reply of a type that no server would give
// to the command which it answers is wrong, and the connection ends: what follows would answer
// others, too.
#pragma once

#include <eddy/net/resp/reply_parser.h>

#include "load/store_engine.h"

namespace eddy::load {

struct RedisDialect {
  using Parser = resp::ReplyParser;
  static size_t write(std::span<char> room, StoreCommand command, std::string_view key,
                      std::string_view value);
  static StoreReply judge(const Parser& parser, StoreCommand command);
  static AnswerClass class_of(const Parser& parser, StoreCommand command);
  static std::string cause(const Parser& parser, StoreCommand command);
  static size_t key_place(StoreCommand) { return 0; }
};

using RedisEngine = StoreEngine<RedisDialect>;

}  // namespace eddy::load
