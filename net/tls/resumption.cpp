#include <eddy/net/tls/resumption_internal.h>

#include <algorithm>
#include <utility>

namespace eddy::tls {

void Resumption::keep(std::string_view peer, SessionPointer session) {
  const std::lock_guard lock(mutex_);
  if (kept_.size() == kMost) kept_.pop_front();
  kept_.push_back({.peer = std::string(peer), .session = std::move(session)});
}

SessionPointer Resumption::take(std::string_view peer) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(kept_.rbegin(), kept_.rend(),
                                  [&](const Kept& kept) { return kept.peer == peer; });
  if (found == kept_.rend()) return nullptr;
  if (SSL_SESSION_get_protocol_version(found->session.get()) < TLS1_3_VERSION) {
    SSL_SESSION_up_ref(found->session.get());
    return SessionPointer(found->session.get());
  }
  SessionPointer session = std::move(found->session);
  kept_.erase(std::next(found).base());
  return session;
}

}  // namespace eddy::tls
