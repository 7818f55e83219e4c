// HTTP messages: however the bytes are cut, the same comes out of them, or the same error.
#include <eddy/net/http/message_parser.h>

#include "../http/transcript.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using eddy::http::MessageParser;
  FuzzedDataProvider input(data, size);
  const bool is_request = input.ConsumeBool();
  const MessageParser::Options options = {
      .type = is_request ? MessageParser::Type::kRequest : MessageParser::Type::kResponse,
      .max_head_bytes = input.ConsumeIntegral<uint8_t>() * size_t{8},
      .keep_headers = input.ConsumeBool(),
      .want_body = input.ConsumeBool(),
      .want_interim = input.ConsumeBool()};
  const bool expect_no_body = input.ConsumeBool();
  const auto piece_bytes = input.ConsumeIntegralInRange<size_t>(1, 40);
  const std::string bytes = input.ConsumeRemainingBytesAsString();
  using eddy::http::test::transcript_of;
  FUZZ_CHECK(transcript_of(options, bytes, piece_bytes, expect_no_body) ==
             transcript_of(options, bytes, SIZE_MAX, expect_no_body));
  return 0;
}
