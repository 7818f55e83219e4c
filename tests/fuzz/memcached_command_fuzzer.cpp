// Commands of memcached's clients: however the stream is cut, the same commands come out, or the
// same error; and written again, a command is read as the same.
#include <eddy/net/memcached/command_parser.h>

#include "pulled_parser.h"

using eddy::memcached::CommandParser;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  const CommandParser::Options options = {.max_line_bytes = input.ConsumeIntegral<uint8_t>(),
                                          .max_value_bytes = input.ConsumeIntegral<uint16_t>()};
  const auto cuts = eddy::fuzz::draw_cuts(input);
  const std::string stream = input.ConsumeRemainingBytesAsString();

  const auto text_of = [](const CommandParser& parser) {
    std::string text;
    for (const std::string_view word : parser.words()) {
      FUZZ_CHECK(!word.empty() && word.find_first_of(" \n") == std::string_view::npos);
      text.append(text.empty() ? "" : " ").append(word);
    }
    text += "\r\n";
    if (parser.value().empty()) return text;
    return text.append(parser.value()).append("\r\n");
  };
  const auto found = eddy::fuzz::check_cuts<CommandParser>(options, stream, cuts, text_of);
  for (const std::string& message : found.messages) {
    // A value of no bytes has a line end of its own, which `text_of` leaves out.
    const auto again = eddy::fuzz::check_cuts<CommandParser>({}, message, cuts, text_of);
    FUZZ_CHECK(again.messages.empty() || again.messages[0] == message);
  }
  return 0;
}
