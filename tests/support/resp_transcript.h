// What the parsers of the Redis protocol make of a stream, as text.
#pragma once

#include <eddy/net/resp/command_parser.h>
#include <eddy/net/resp/reply_parser.h>

#include <cmath>
#include <string>
#include <string_view>

#include "transcript.h"

namespace eddy::test {

template <>
inline std::string text_of(resp::ReplyParser& parser) {
  const auto text_of_node = [&](const resp::ReplyParser::Node& node) {
    std::string text(1, static_cast<char>(node.type));
    text += node.is_null ? std::string("null") : std::string(parser.value_of(node));
    if (node.integer != 0) text += " #" + std::to_string(node.integer);
    if (node.number != 0)
      text += std::isnan(node.number) ? "#nan" : " #" + std::to_string(node.number);
    return text;
  };
  std::string text = static_cast<char>(parser.type()) + std::string(parser.value()) + " = " +
                     std::to_string(parser.integer());
  if (parser.is_null()) text += " null";
  if (parser.is_error()) text += " error";
  for (const auto& node : parser.nodes()) text += " [" + text_of_node(node) + "]";
  return text;
}

template <>
inline std::string text_of(resp::CommandParser& parser) {
  std::string text;
  for (const std::string_view argument : parser.arguments()) {
    text += "<" + std::string(argument) + ">";
  }
  return text;
}

}  // namespace eddy::test
