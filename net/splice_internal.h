// What stands behind `splice`: see net/splice.h.
#pragma once

#include <eddy/core/pipe_pool.h>
#include <eddy/net/splice.h>
#include <eddy/net/stream_internal.h>

#include <functional>

namespace eddy {

// Made by `start`, and deletes itself when it is over. Its streams know it: `from` by
// StreamSlot::source_of, `to` as a part of its output.
class Splice {
 public:
  // `muted`: nothing of the user's is to be called.
  using Done = std::move_only_function<void(std::error_code code, bool muted)>;
  static Result<Splice*> start(StreamSlot& from, StreamSlot& to, SpliceMode mode, Done done);
  // Right after `start`: as if it had not been called.
  void take_back();

  // --- Told by the stream that is received from
  void on_slice(Slice&& bytes);
  // 0 is the end of input.
  void on_end(int error);
  void on_input();
  // It stands, or goes on after a pause.
  void on_source_ready();
  // It is closed, or about to be: nothing more comes.
  void source_gone(std::error_code reason, bool muted);
  // --- Told by the stream that is sent to
  // All that was queued before has been taken, or there may be room again.
  void on_room();
  // Its queue has come down to its low watermark.
  void on_drained();
  // It is about to be closed: nothing is to be read any more.
  void stop();
  void target_gone(std::error_code reason, bool muted);

  // Bytes that have been read, and not been sent.
  size_t held_bytes() const { return in_pipe_; }

 private:
  Splice(StreamSlot& from, StreamSlot& to, SpliceMode mode, Done done);
  ~Splice() = default;

  void pump();
  bool can_read() const;
  bool fill_pipe(size_t& budget_bytes);
  bool empty_pipe();
  bool copy_pipe();
  bool copy_from_now_on();
  void judge_size(size_t bytes);
  void read_by_hand(bool by_hand);
  void await_input(Found found);
  void leave_source();
  void finish(std::error_code code);

  StreamSlot* from_;  // null: it has gone
  StreamSlot* to_;
  Reactor& reactor_;
  Done done_;
  Pipe pipe_;
  size_t in_pipe_ = 0;
  std::error_code code_;
  SpliceMode mode_;
  bool muted_ = false;
  bool by_hand_ = false;         // the input is read by splice(2)
  bool prefers_slices_ = false;  // once the pipe is empty
  bool ended_ = false;           // nothing more is read
  bool awaits_input_ = false;
  bool took_all_ = false;  // of the input, as far as can be told
  size_t arrivals_ = 0;    // since the last judgement, and their bytes
  size_t arrived_bytes_ = 0;
};

}  // namespace eddy
