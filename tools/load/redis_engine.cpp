#include "load/redis_engine.h"

#include <eddy/net/resp/writer.h>

#include "load/store_mix.h"

namespace eddy::load {

using resp::Type;

namespace {

// As the commands' pages at redis.io have it.
bool is_answer(const resp::ReplyParser& reply, StoreCommand command) {
  const Type type = reply.type();
  switch (command) {
    case StoreCommand::kGet: return type == Type::kBulkString || type == Type::kNull;
    case StoreCommand::kIncr:
    case StoreCommand::kDel: return type == Type::kInteger;
    default: return type == Type::kSimpleString;  // set, ping
  }
}

const char* name_of(Type type) {
  switch (type) {
    case Type::kSimpleString: return "a simple string";
    case Type::kInteger: return "an integer";
    case Type::kBulkString: return "a bulk string";
    case Type::kArray: return "an array";
    case Type::kNull: return "null";
    case Type::kMap: return "a map";
    case Type::kSet: return "a set";
    default: return "a reply of another type";
  }
}

}  // namespace

size_t RedisDialect::write(std::span<char> room, StoreCommand command, std::string_view key,
                           std::string_view value) {
  resp::Writer writer(room);
  switch (command) {
    case StoreCommand::kGet: writer.command({"GET", key}); break;
    case StoreCommand::kSet: writer.command({"SET", key, value}); break;
    case StoreCommand::kIncr: writer.command({"INCR", key}); break;
    case StoreCommand::kDel: writer.command({"DEL", key}); break;
    case StoreCommand::kPing: writer.command({"PING"}); break;
    default: break;  // store_mix.cpp has it that Redis is asked for no others
  }
  return writer.size();
}

StoreReply RedisDialect::judge(const Parser& parser, StoreCommand command) {
  if (parser.is_push()) return StoreReply::kNone;
  if (parser.is_error()) return StoreReply::kError;
  return is_answer(parser, command) ? StoreReply::kAnswer : StoreReply::kWrong;
}

AnswerClass RedisDialect::class_of(const Parser& parser, StoreCommand command) {
  if (command != StoreCommand::kGet) return kNoClass;
  return parser.is_null() ? kKeyMissed : kKeyFound;
}

std::string RedisDialect::cause(const Parser& parser, StoreCommand command) {
  if (parser.is_error()) return std::string(parser.value());
  return std::string(name_of(parser.type())) + " in answer to " +
         name_of(Protocol::kRedis, command);
}

}  // namespace eddy::load
