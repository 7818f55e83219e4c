// What the parsers of memcached's protocol make of a stream, as text.
#pragma once

#include <eddy/net/memcached/command_parser.h>
#include <eddy/net/memcached/reply_parser.h>

#include <string>
#include <string_view>

#include "transcript.h"

namespace eddy::test {

template <>
inline std::string text_of(memcached::ReplyParser& parser) {
  using enum memcached::ReplyType;
  std::string text;
  for (const auto& value : parser.values()) {
    text += std::string(parser.key_of(value)) + "=" + std::string(parser.bytes_of(value)) + " " +
            std::to_string(value.flags);
    if (value.has_cas) text += " cas " + std::to_string(value.cas);
    text += "; ";
  }
  text += parser.text().empty() ? word_of(parser.type()) : parser.text();
  if (parser.type() == kNumber) text += std::to_string(parser.number());
  if (parser.type() == kValues) text += " of " + std::to_string(parser.value_count());
  if (parser.is_error()) text += " error";
  return text;
}

template <>
inline std::string text_of(memcached::CommandParser& parser) {
  std::string text;
  for (const std::string_view word : parser.words()) text += "<" + std::string(word) + ">";
  if (!parser.value().empty()) text += " " + std::string(parser.value());
  if (parser.is_noreply()) text += " without a reply";
  return text;
}

}  // namespace eddy::test
