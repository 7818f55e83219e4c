// Replies of memcached servers: however the stream is cut, the same replies come out, or the same
// error; and values that are not kept make no difference to what is accepted.
#include <eddy/net/memcached/reply_parser.h>
#include <eddy/net/memcached/writer.h>

#include "pulled_parser.h"

using eddy::memcached::ReplyParser;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  ReplyParser::Options options = {.keep_values = true,
                                  .max_line_bytes = input.ConsumeIntegral<uint8_t>(),
                                  .max_value_bytes = input.ConsumeIntegral<uint16_t>(),
                                  .max_values = input.ConsumeIntegral<uint8_t>()};
  const auto cuts = eddy::fuzz::draw_cuts(input);
  const std::string stream = input.ConsumeRemainingBytesAsString();

  const auto text_of_bare = [](const ReplyParser& parser) {
    return std::string(word_of(parser.type())) + std::to_string(parser.number()) + "/" +
           std::to_string(parser.value_count()) + "/" + std::string(parser.text());
  };
  const auto text_of_kept = [&](const ReplyParser& parser) {
    FUZZ_CHECK(parser.values().size() == parser.value_count());
    for (const auto& value : parser.values()) {
      FUZZ_CHECK(eddy::memcached::is_key(parser.key_of(value)));
      FUZZ_CHECK(parser.bytes_of(value).size() == value.bytes);
    }
    return text_of_bare(parser);
  };
  const auto kept = eddy::fuzz::check_cuts<ReplyParser>(options, stream, cuts, text_of_kept);
  options.keep_values = false;
  const auto bare = eddy::fuzz::check_cuts<ReplyParser>(options, stream, cuts, text_of_bare);
  FUZZ_CHECK(kept == bare);
  return 0;
}
