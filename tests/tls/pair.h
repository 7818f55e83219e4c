// A client and a server with nothing between them but the bytes.
#pragma once

#include <eddy/net/tls/session.h>
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "certificates.h"

namespace eddy::tls::test {

// One side, and what came of its events.
struct Side {
  explicit Side(Session&& made) : session(std::move(made)) {}

  // In pieces of so many bytes.
  void take(std::string_view bytes, size_t piece = SIZE_MAX) {
    do {
      std::string_view part = bytes.substr(0, piece);
      bytes.remove_prefix(part.size());
      take_piece(part);
    } while (!bytes.empty());
  }
  void take_piece(std::string_view bytes) {
    for (;;) {
      const auto event = session.next(bytes, room);
      if (!event) {
        if (!failure) failure = event.error();
        return;
      }
      if (*event == Session::Event::kNeedMore) {
        EXPECT_TRUE(bytes.empty());
        return;
      }
      if (*event == Session::Event::kEnd) {
        has_ended = true;
        behind += bytes;
        return;
      }
      handshakes += *event == Session::Event::kHandshake ? 1 : 0;
      if (*event == Session::Event::kPlaintext) {
        EXPECT_FALSE(session.plaintext().empty());
        received += session.plaintext();
        ++pieces;
      }
    }
  }
  std::string flush() {
    std::string bytes(session.output());
    session.clear_output();
    return bytes;
  }
  std::string cause() const { return failure ? failure->code().message() : ""; }

  Session session;
  std::array<char, Session::kRecordBytes> room{};
  std::string received{};
  std::string behind{};  // the end
  std::optional<Error> failure{};
  size_t pieces = 0;
  int handshakes = 0;
  bool has_ended = false;
};

// What all tests of a program have: an authority costs milliseconds.
inline Authority& authority() {
  static Authority own("Test authority");
  return own;
}
inline const Authority::Files& server_files() {
  static const Authority::Files files = authority().issue({});
  return files;
}

inline Context::Options server_options() {
  return {.role = Context::Role::kServer,
          .certificate_file = server_files().certificate,
          .key_file = server_files().key};
}
inline Context::Options client_options() { return {.ca_file = authority().file()}; }
inline Context made(const Context::Options& options) {
  auto context = Context::make(options);
  if (!context) ADD_FAILURE() << context.error().message();
  return *context;
}

struct Pair {
  Pair(const Context& client_context, const Context& server_context,
       std::string_view name = "localhost")
      : client(*Session::make(client_context, name)), server(*Session::make(server_context)) {}

  // Until neither has anything to say.
  void run(size_t piece = SIZE_MAX) {
    while (!client.session.output().empty() || !server.session.output().empty()) {
      server.take(client.flush(), piece);
      client.take(server.flush(), piece);
    }
  }
  bool stands() const {
    return client.session.is_established() && server.session.is_established() && !client.failure &&
           !server.failure;
  }

  Side client;
  Side server;
};

}  // namespace eddy::tls::test
