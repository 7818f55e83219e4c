#include <eddy/net/handed_over_internal.h>
#include <eddy/net/move_stream.h>

#include <memory>
#include <utility>

namespace eddy {
namespace {

// Where the post fails, or its reactor ends before it runs, whoever destroys it tells.
struct Move {
  unsigned to;
  TakeStream take;
  std::move_only_function<void(Result<Stream>)> arrived;
  const bool has_opened;
  bool has_left = false;

  Move(const Stream& stream, unsigned index, TakeStream its_take,
       std::move_only_function<void(Result<Stream>)> its_arrived)
      : to(index),
        take(std::move(its_take)),
        arrived(std::move(its_arrived)),
        has_opened(StreamSlot::of(stream) != nullptr && StreamSlot::of(stream)->has_opened()) {}
  Move(const Move&) = delete;
  Move& operator=(const Move&) = delete;
  ~Move() {
    if (!has_left) return;
    tell(std::unexpected(
        Error(Errc::kClosed, "move_to", "reactor " + std::to_string(to), "it is not there")));
  }

  void tell(Result<Stream> result) {
    has_left = false;
    StreamSlot* slot = result ? StreamSlot::of(*result) : nullptr;
    if (slot != nullptr && has_opened) slot->begin_opened();
    if (arrived) arrived(std::move(result));
  }
};

}  // namespace

void move_to(ReactorPool& pool, unsigned to, Stream stream, TakeStream take,
             std::move_only_function<void(Result<Stream>)> arrived) {
  auto move = std::make_unique<Move>(stream, to, std::move(take), std::move(arrived));
  stream.release_unread(
      [&pool, move = std::move(move)](int descriptor, SharedBytes unread) mutable {
        HandedOver connection(pool.kernel(), descriptor);
        move->has_left = true;
        const unsigned index = move->to;
        pool.post(index, [move = std::move(move), unread = std::move(unread),
                          connection = std::move(connection)](Reactor& reactor) mutable {
          auto taken = move->take(reactor, connection.get(), unread.slice());
          if (taken) connection.release();
          move->tell(std::move(taken));
        });
      });
}

void move_to(ReactorPool& pool, unsigned to, Stream stream, SharedStreamOptions options,
             std::move_only_function<void(Result<Stream>)> arrived) {
  move_to(
      pool, to, stream,
      [options = std::move(options)](Reactor& reactor, int descriptor, Slice unread) {
        return adopt(reactor, descriptor, options, std::move(unread));
      },
      std::move(arrived));
}

}  // namespace eddy
