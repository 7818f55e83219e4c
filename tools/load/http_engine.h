// Requests to an HTTP/1.1 server.
//
// What counts as an answer: a whole response whose status is below 400, or the one that was asked
// for, and whose body has what was asked for. Any other response is a wrong answer; the connection
// goes on. What is no HTTP ends it.
#pragma once

#include <eddy/net/http/message_parser.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "load/engine.h"
#include "load/known_answer.h"

namespace eddy::load {

class HttpEngine : public Engine {
 public:
  HttpEngine(Reactor& reactor, const LoadOptions& options, const Schedule& schedule, Events events);

 protected:
  void start(Seat& seat) override;
  void write(Seat& seat, uint32_t first, uint32_t count) override;
  bool receive(Seat& seat, std::string_view bytes) override;
  void receive_end(Seat& seat) override;

  // function(std::string_view): so many requests, many as one piece, which lies there for ever.
  template <typename Function>
  void each_piece(uint32_t count, Function&& function) const {
    const size_t size = options().http.request.size();
    const size_t copies = requests_.size() / size;
    while (count > 0) {
      const auto now = static_cast<uint32_t>(std::min<size_t>(count, copies));
      function(std::string_view(requests_.data(), now * size));
      count -= now;
    }
  }

 private:
  struct Session {
    explicit Session(const http::MessageParser::Options& options) : parser(options) {}
    http::MessageParser parser;
    std::string body;  // of the response at hand, where it is to be looked at
  };
  // `whole`: all of its bytes, if they came in one piece.
  void take_response(Seat& seat, Session& session, std::string_view whole);
  std::string what_is_wrong(const Session& session) const;

  const std::string requests_;     // as many copies of the request as are sent at once
  std::vector<Session> sessions_;  // by seat
  KnownAnswer known_;
};

}  // namespace eddy::load
