// Requests to a server that speaks memcached's classic text protocol. A reply that no server would
// give to the command which it answers is wrong, and the connection ends: what follows would answer
// others, too.
#pragma once

#include <eddy/net/memcached/reply_parser.h>

#include "load/store_engine.h"

namespace eddy::load {

struct MemcachedDialect {
  using Parser = memcached::ReplyParser;
  static size_t write(std::span<char> room, StoreCommand command, std::string_view key,
                      std::string_view value);
  static StoreReply judge(const Parser& parser, StoreCommand command);
  static AnswerClass class_of(const Parser& parser, StoreCommand command);
  static std::string cause(const Parser& parser, StoreCommand command);
  static size_t key_place(StoreCommand command) {
    const bool has_key = command == StoreCommand::kGet || command == StoreCommand::kGets;
    return has_key ? std::string_view("VALUE ").size() : 0;
  }
};

using MemcachedEngine = StoreEngine<MemcachedDialect>;

}  // namespace eddy::load
