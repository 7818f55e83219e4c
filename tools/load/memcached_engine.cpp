#include "load/memcached_engine.h"

#include <eddy/net/memcached/writer.h>

#include "load/store_mix.h"

namespace eddy::load {

using memcached::ReplyType;
using namespace std::chrono_literals;

namespace {

bool is_answer(ReplyType reply, StoreCommand command) {
  switch (command) {
    case StoreCommand::kGet:
    case StoreCommand::kGets: return reply == ReplyType::kValues;
    case StoreCommand::kSet:
    case StoreCommand::kAdd:
    case StoreCommand::kReplace:
      return reply == ReplyType::kStored || reply == ReplyType::kNotStored;
    case StoreCommand::kIncr:
    case StoreCommand::kDecr: return reply == ReplyType::kNumber || reply == ReplyType::kNotFound;
    case StoreCommand::kDel: return reply == ReplyType::kDeleted || reply == ReplyType::kNotFound;
    case StoreCommand::kTouch: return reply == ReplyType::kTouched || reply == ReplyType::kNotFound;
    case StoreCommand::kPing: return reply == ReplyType::kVersion;
  }
  return false;
}

}  // namespace

size_t MemcachedDialect::write(std::span<char> room, StoreCommand command, std::string_view key,
                               std::string_view value) {
  memcached::Writer writer(room);
  switch (command) {
    case StoreCommand::kGet: writer.get(key); break;
    case StoreCommand::kGets: writer.gets(key); break;
    case StoreCommand::kSet: writer.set(key, value); break;
    case StoreCommand::kAdd: writer.add(key, value); break;
    case StoreCommand::kReplace: writer.replace(key, value); break;
    case StoreCommand::kIncr: writer.incr(key, 1); break;
    case StoreCommand::kDecr: writer.decr(key, 1); break;
    case StoreCommand::kDel: writer.remove(key); break;
    case StoreCommand::kTouch: writer.touch(key, 1h); break;
    case StoreCommand::kPing: writer.version(); break;
  }
  return writer.size();
}

StoreReply MemcachedDialect::judge(const Parser& parser, StoreCommand command) {
  if (parser.is_error()) return StoreReply::kError;
  return is_answer(parser.type(), command) && parser.value_count() <= 1 ? StoreReply::kAnswer
                                                                        : StoreReply::kWrong;
}

AnswerClass MemcachedDialect::class_of(const Parser& parser, StoreCommand command) {
  if (command != StoreCommand::kGet && command != StoreCommand::kGets) return kNoClass;
  return parser.value_count() == 0 ? kKeyMissed : kKeyFound;
}

std::string MemcachedDialect::cause(const Parser& parser, StoreCommand command) {
  if (parser.is_error()) return std::string(parser.text());
  const bool is_number = parser.type() == ReplyType::kNumber;
  return (is_number ? "a number" : std::string(word_of(parser.type()))) + " in answer to " +
         name_of(Protocol::kMemcached, command);
}

}  // namespace eddy::load
