#include "load/http_engine.h"

#include <algorithm>

namespace eddy::load {
namespace {

using http::MessageParser;

constexpr size_t kCopiedBytes = size_t{64} * 1024;

std::string copies_of(const std::string& request, uint32_t depth) {
  const size_t copies = std::clamp<size_t>(kCopiedBytes / request.size(), 1, depth);
  std::string text;
  for (size_t i = 0; i < copies; ++i) text += request;
  return text;
}

}  // namespace

HttpEngine::HttpEngine(Reactor& reactor, const LoadOptions& options, const Schedule& schedule,
                       Events events)
    : Engine(reactor, options, schedule, std::move(events)),
      requests_(copies_of(options.http.request, options.depth)),
      sessions_(options.connections, Session({.type = MessageParser::Type::kResponse,
                                              .keep_headers = false,
                                              .want_body = !options.http.expected_text.empty()})) {
  for (Session& session : sessions_) session.parser.expect_no_body(options.http.is_head);
}

void HttpEngine::start(Seat& seat) {
  sessions_[seat.number].parser.reset();
  sessions_[seat.number].body.clear();
}

void HttpEngine::write(Seat& seat, uint32_t, uint32_t count) {
  each_piece(count, [&](std::string_view piece) { seat.stream.send(Slice::of_static(piece)); });
}

bool HttpEngine::receive(Seat& seat, std::string_view bytes) {
  Session& session = sessions_[seat.number];
  for (bool is_amid = seat.is_amid_answer;; is_amid = false) {
    const bool has_bytes = !bytes.empty();
    if (has_bytes && seat.in_flight == 0) {
      fail(seat, Trouble::kWrong, "a response that nobody asked for");
      return false;
    }
    if (!is_amid && known_.take(bytes)) {
      answered(seat, known_.what());
      if (bytes.empty()) return false;
      continue;
    }
    const std::string_view from = bytes;
    auto event = session.parser.next(bytes);
    for (; event && *event == MessageParser::Event::kBody; event = session.parser.next(bytes)) {
      session.body += session.parser.body();
    }
    if (!event) {
      fail(seat, Trouble::kWrong, event.error().code().message());
      return false;
    }
    if (*event == MessageParser::Event::kNeedMore) return is_amid || has_bytes;
    take_response(seat, session, from.substr(0, is_amid ? 0 : from.size() - bytes.size()));
  }
}

// A response without a length ends with its connection (RFC 9112, section 6.3). One that is kept
// open for another request may be closed by the server whenever it carries none (section 9.5).
void HttpEngine::receive_end(Seat& seat) {
  Session& session = sessions_[seat.number];
  const auto event = session.parser.finish();
  if (event && *event == MessageParser::Event::kMessage && seat.in_flight > 0) {
    take_response(seat, session, {});
  }
  if (seat.in_flight > 0) return fail(seat, Trouble::kLost, "closed by the server");
  retire(seat);
}

void HttpEngine::take_response(Seat& seat, Session& session, std::string_view whole) {
  if (!session.parser.keep_alive()) retire(seat);
  const std::string wrong = what_is_wrong(session);
  session.body.clear();
  const auto what = static_cast<AnswerClass>(session.parser.status() / 100);
  if (!wrong.empty()) return answered_wrong(seat, wrong, what);
  if (session.parser.keep_alive()) known_.remember(whole, what);
  answered(seat, what);
}

std::string HttpEngine::what_is_wrong(const Session& session) const {
  const HttpOptions& http = options().http;
  const unsigned status = session.parser.status();
  if (http.expected_status == 0 ? status >= 400 : status != http.expected_status) {
    return "status " + std::to_string(status);
  }
  if (!http.expected_text.empty() && session.body.find(http.expected_text) == std::string::npos) {
    return "a body without '" + http.expected_text + "'";
  }
  return {};
}

}  // namespace eddy::load
