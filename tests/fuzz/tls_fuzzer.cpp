// TLS, the receiving side: however the bytes are cut, the same comes out of them, or the same
// error; and what is changed on its way is never taken for what was sent.
#include <eddy/net/tls/session.h>

#include <algorithm>
#include <array>
#include <string>

#include "../tls/certificates.h"
#include "fuzz.h"

namespace {

using eddy::tls::Context;
using eddy::tls::Session;
using Event = Session::Event;
using eddy::tls::test::Authority;

struct Contexts {
  Authority authority{"Fuzz"};
  Authority::Files files = authority.issue({});
  Context client = *Context::make({.ca_file = authority.file(), .alpn = {"a", "b"}});
  Context server = *Context::make({.role = Context::Role::kServer,
                                   .certificate_file = files.certificate,
                                   .key_file = files.key,
                                   .alpn = {"b"}});
};
Contexts& contexts() {
  static Contexts own;
  return own;
}
Session make(bool is_client) {
  return is_client ? *Session::make(contexts().client, "localhost")
                   : *Session::make(contexts().server);
}

// What it makes of the bytes: plaintext, and how it ended.
struct Outcome {
  std::string plaintext{};
  bool has_ended = false;
  std::error_code code{};
  bool operator==(const Outcome&) const = default;
};
void feed(Session& session, std::string_view bytes, size_t piece_bytes, Outcome& outcome) {
  static std::array<char, Session::kRecordBytes> room;
  while (!bytes.empty()) {
    std::string_view piece = bytes.substr(0, piece_bytes);
    bytes.remove_prefix(piece.size());
    for (;;) {
      const auto event = session.next(piece, room);
      if (!event) {
        outcome.code = event.error().code();
        return;
      }
      if (*event == Event::kPlaintext) outcome.plaintext += session.plaintext();
      outcome.has_ended = *event == Event::kEnd;
      if (outcome.has_ended) return;
      if (*event == Event::kNeedMore) break;
    }
    FUZZ_CHECK(piece.empty());
  }
}

void check_cuts(bool is_client, std::string_view bytes, size_t piece_bytes) {
  Outcome whole;
  Outcome cut;
  Session first = make(is_client);
  Session second = make(is_client);
  feed(first, bytes, SIZE_MAX, whole);
  feed(second, bytes, piece_bytes, cut);
  FUZZ_CHECK(whole == cut);
  FUZZ_CHECK(first.finish().has_value() == whole.has_ended);
}

std::string flush(Session& session) {
  std::string bytes(session.output());
  session.clear_output();
  return bytes;
}

// A conversation, in which one byte that the server sends is another.
void check_change(std::string_view text, size_t place, char change) {
  Session client = make(true);
  Session server = make(false);
  Outcome at_client;
  Outcome at_server;
  size_t seen = 0;
  const auto deliver = [&] {
    feed(server, flush(client), SIZE_MAX, at_server);
    std::string bytes = flush(server);
    if (place >= seen && place < seen + bytes.size()) {
      char& byte = bytes[place - seen];
      byte = static_cast<char>(byte ^ change);
    }
    seen += bytes.size();
    feed(client, bytes, SIZE_MAX, at_client);
  };
  for (int i = 0; i < 3; ++i) deliver();
  if (server.is_established()) FUZZ_CHECK(server.send(text) || at_server.code);
  deliver();
  FUZZ_CHECK(text.starts_with(at_client.plaintext));
  const bool is_changed = change != 0 && place < seen;
  FUZZ_CHECK(is_changed || at_client.plaintext == text);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  const bool is_client = input.ConsumeBool();
  const auto piece_bytes = input.ConsumeIntegralInRange<size_t>(1, 40);
  if (input.ConsumeIntegral<uint8_t>() % 4 == 0) {
    const auto place = input.ConsumeIntegral<uint16_t>() % size_t{4096};
    const auto change = input.ConsumeIntegral<char>();
    check_change(input.ConsumeRandomLengthString(1000), place, change);
  } else {
    check_cuts(is_client, input.ConsumeRemainingBytesAsString(), piece_bytes);
  }
  return 0;
}
