// What answers by one callback, awaited: names (resolver.h), and work that blocks (work_pool.h).
//
//   auto found = co_await eddy::resolve(resolver, "example.org", "https");
//   auto name = co_await eddy::name_of(resolver, *address);
//   auto text = co_await eddy::run_in(pool, [path] { return read_all(path); });
//
// These are a Result<ResolvedName>, a Result<HostName>, and a Result of what the work returns.
// Cancelled, or at a deadline, the question is cancelled as the Resolver's and the WorkPool's own
// `cancel` does: work that runs already runs on, unheard. They must outlive the await. What is
// handed over by reference or string_view is used when the await begins. Threads: the reactor's
// alone, but for the work itself.
#pragma once

#include <eddy/core/work_pool.h>
#include <eddy/net/await.h>
#include <eddy/net/resolver.h>

#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace eddy {

// `ask(done)` returns a Result of an id, and calls `done` later, once, with the answer, a Value or
// a Result of one; `cancel(id)` keeps it from that.
template <typename Value, typename Id, typename Ask, typename Cancel>
class [[nodiscard]] Answer final : public Await {
 public:
  Answer(Ask ask, Cancel cancel) : ask_(std::move(ask)), cancel_(std::move(cancel)) {}
  Answer(Answer&&) = default;
  ~Answer() override { Answer::detach(); }

  bool await_ready() {
    if (cancelled()) return true;
    auto asked = ask_(Done{this});
    if (asked) {
      id_ = *asked;
      return false;
    }
    answer_ = std::unexpected(std::move(asked.error()));
    return true;
  }
  void await_suspend(std::coroutine_handle<> waiting) { suspend(waiting); }
  [[nodiscard]] Result<Value> await_resume() {
    if (answer_) return std::move(*answer_);
    return std::unexpected<Error>(std::in_place, code(), "co_await");
  }

 private:
  struct Done {
    template <typename... Given>
    void operator()(Given&&... given) const {
      self->id_ = {};
      self->answer_.emplace(std::forward<Given>(given)...);
      self->resume();
    }
    Answer* self;
  };
  void detach() override {
    if (id_) cancel_(std::exchange(id_, {}));
  }

  Ask ask_;
  Cancel cancel_;
  Id id_{};
  std::optional<Result<Value>> answer_;
};

template <typename Value, typename Id, typename Ask, typename Cancel>
Answer<Value, Id, Ask, Cancel> make_answer(Ask ask, Cancel cancel) {
  return {std::move(ask), std::move(cancel)};
}

inline auto resolve(Resolver& resolver, std::string_view host, std::string_view service,
                    const ResolveHints& hints = {}) {
  return make_answer<ResolvedName, ResolveId>(
      [&resolver, host, service, hints](auto done) {
        return resolver.resolve(host, service, hints, done);
      },
      [&resolver](ResolveId id) { resolver.cancel(id); });
}

inline auto name_of(Resolver& resolver, const Address& address, int flags = 0) {
  return make_answer<HostName, ResolveId>(
      [&resolver, address, flags](auto done) { return resolver.name_of(address, done, flags); },
      [&resolver](ResolveId id) { resolver.cancel(id); });
}

template <typename Work>
auto run_in(WorkPool& pool, Work work) {
  return make_answer<std::invoke_result_t<Work&>, WorkId>(
      [&pool, work = std::move(work)](auto done) mutable {
        return pool.run(std::move(work), done);
      },
      [&pool](WorkId id) { pool.cancel(id); });
}

}  // namespace eddy
