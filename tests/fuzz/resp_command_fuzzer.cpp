// Commands of Redis clients: however the stream is cut, the same commands come out, or the same
// error; and what the writer makes of a command is read as the same.
#include <eddy/net/resp/command_parser.h>
#include <eddy/net/resp/writer.h>

#include "pulled_parser.h"

using eddy::resp::CommandParser;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  const CommandParser::Options options = {.max_line_bytes = input.ConsumeIntegral<uint8_t>(),
                                          .max_arguments = input.ConsumeIntegral<uint8_t>(),
                                          .max_bulk_bytes = input.ConsumeIntegral<uint16_t>(),
                                          .max_command_bytes = input.ConsumeIntegral<uint16_t>()};
  const auto cuts = eddy::fuzz::draw_cuts(input);
  const std::string stream = input.ConsumeRemainingBytesAsString();

  const auto text_of = [](const CommandParser& parser) {
    FUZZ_CHECK(!parser.arguments().empty());
    std::string text;
    eddy::resp::Writer(text).command(parser.arguments());
    return text;
  };
  const auto found = eddy::fuzz::check_cuts<CommandParser>(options, stream, cuts, text_of);
  for (const std::string& message : found.messages) {
    const auto again = eddy::fuzz::check_cuts<CommandParser>({}, message, cuts, text_of);
    FUZZ_CHECK(!again.error && again.messages.size() == 1 && again.messages[0] == message);
  }
  return 0;
}
