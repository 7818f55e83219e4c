// The server under test: does with each connection what the plan says for it.
#pragma once

#include <eddy/net/server.h>
#include <eddy/sim/tape.h>

#include <map>
#include <memory>
#include <optional>

#include "content.h"
#include "journal.h"
#include "plan.h"

namespace eddy::test {

class Server {
 public:
  Server(Reactor& reactor, const Plan& plan, Failures& failures);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  Result<Address> listen(std::string_view address);
  size_t connections() const { return server_->connections(); }
  void for_each(const std::function<void(Stream&)>& visit) { server_->for_each(visit); }
  void close() { server_->close(); }
  // What each connection was told, by its number; those that broke before their header have none.
  const std::map<uint32_t, std::string>& lines() const { return lines_; }
  uint64_t closed() const { return closed_; }

 private:
  struct Session;
  struct KeptSlice;

  void received(Stream& stream, Slice bytes);
  void take_header(Stream& stream, Session& session, Slice& bytes);
  void answer(Stream& stream, Session& session, Slice bytes);
  void push(Stream& stream, Session& session);
  void ended(Stream& stream);
  void closed(Stream& stream, std::error_code reason);
  void keep(Session& session, const Slice& bytes, uint64_t from);
  void pause_now_and_then(Stream& stream, Session& session);

  Reactor& reactor_;
  const Plan& plan_;
  Failures& failures_;
  sim::Tape choices_;
  std::map<uint32_t, std::string> lines_;
  std::map<uint64_t, KeptSlice> kept_;
  uint64_t next_kept_ = 0;
  uint64_t closed_ = 0;
  std::optional<eddy::Server> server_;
};

}  // namespace eddy::test
