// Replies of Redis servers: however the stream is cut, the same replies come out, or the same
// error; and values that are not kept make no difference to what is accepted.
#include <eddy/net/resp/reply_parser.h>

#include "pulled_parser.h"

namespace {

using eddy::resp::ReplyParser;

// Behind each aggregate stand as many values as it says.
size_t check_value(const ReplyParser& parser, size_t index) {
  FUZZ_CHECK(index < parser.nodes().size());
  const ReplyParser::Node& node = parser.nodes()[index++];
  FUZZ_CHECK(parser.value_of(node).size() == node.size);
  using enum eddy::resp::Type;
  const bool is_pairs = node.type == kMap || node.type == kAttribute;
  const bool is_aggregate =
      is_pairs || node.type == kArray || node.type == kSet || node.type == kPush;
  if (is_aggregate) {
    FUZZ_CHECK(!is_pairs || node.integer % 2 == 0);
    for (int64_t i = 0; i < node.integer; ++i) index = check_value(parser, index);
  }
  return node.type == kAttribute ? check_value(parser, index) : index;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  ReplyParser::Options options = {.keep_values = true,
                                  .max_line_bytes = input.ConsumeIntegral<uint8_t>(),
                                  .max_bulk_bytes = input.ConsumeIntegral<uint16_t>(),
                                  .max_elements = input.ConsumeIntegral<uint8_t>() + size_t{1},
                                  .max_depth = input.ConsumeIntegral<uint8_t>() % size_t{16}};
  const auto cuts = eddy::fuzz::draw_cuts(input);
  const std::string stream = input.ConsumeRemainingBytesAsString();

  const auto text_of_kept = [](const ReplyParser& parser) {
    FUZZ_CHECK(check_value(parser, 0) == parser.nodes().size());
    std::string text;
    for (const auto& node : parser.nodes()) {
      text += static_cast<char>(node.type) + std::string(parser.value_of(node)) + '/';
    }
    return text;
  };
  const auto text_of_bare = [](const ReplyParser& parser) {
    FUZZ_CHECK(parser.value().size() <= ReplyParser::kMaxErrorBytes);
    return std::string(1, static_cast<char>(parser.type())) + std::to_string(parser.integer()) +
           (parser.is_null() ? "null" : "");
  };
  const auto kept = eddy::fuzz::check_cuts<ReplyParser>(options, stream, cuts, text_of_kept);
  options.keep_values = false;
  const auto bare = eddy::fuzz::check_cuts<ReplyParser>(options, stream, cuts, text_of_bare);
  FUZZ_CHECK(kept.messages.size() == bare.messages.size() && kept.error == bare.error);
  return 0;
}
