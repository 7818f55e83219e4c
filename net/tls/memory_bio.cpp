#include <eddy/net/tls/memory_bio_internal.h>
#include <string.h>

#include <algorithm>

namespace eddy::tls {
namespace {

MemoryPipe& pipe_of(BIO* bio) noexcept { return *static_cast<MemoryPipe*>(BIO_get_data(bio)); }

int read_from(BIO* bio, char* room, size_t size, size_t* count) noexcept {
  std::string_view& input = pipe_of(bio).input;
  BIO_clear_retry_flags(bio);
  *count = std::min(size, input.size());
  if (*count == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  memcpy(room, input.data(), *count);
  input.remove_prefix(*count);
  return 1;
}

int write_to(BIO* bio, const char* bytes, size_t size, size_t* count) noexcept {
  pipe_of(bio).output.append(bytes, size);
  *count = size;
  return 1;
}

// OpenSSL flushes behind each flight; what it asks beside that has 0 as its answer.
long control(BIO*, int command, long, void*) noexcept { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* make_method() noexcept {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "eddy memory");
  if (method == nullptr) return nullptr;
  BIO_meth_set_read_ex(method, read_from);
  BIO_meth_set_write_ex(method, write_to);
  BIO_meth_set_ctrl(method, control);
  return method;
}

}  // namespace

BIO* make_memory_bio(MemoryPipe& pipe) noexcept {
  static BIO_METHOD* const method = make_method();
  BIO* bio = method == nullptr ? nullptr : BIO_new(method);
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, &pipe);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace eddy::tls
