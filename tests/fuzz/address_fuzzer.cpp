// Addresses: what is read can be written and read again; what is refused says why in one line.
#include <eddy/net/address.h>

#include <algorithm>
#include <string>

#include "fuzz.h"

namespace {

using eddy::Address;

void check(const eddy::Result<Address>& parsed) {
  if (!parsed) {
    const std::string message = parsed.error().message();
    FUZZ_CHECK(parsed.error().code() == eddy::Errc::kBadAddress);
    FUZZ_CHECK(!message.empty() && message.size() < 1000);
    FUZZ_CHECK(std::ranges::all_of(message, [](char c) { return c >= ' ' && c <= '~'; }));
    return;
  }
  const std::string text = parsed->to_string();
  const auto again = Address::parse(text);
  FUZZ_CHECK(again && *again == *parsed && again->to_string() == text);
  const auto from = Address::from(parsed->data(), parsed->size());
  FUZZ_CHECK(from && *from == *parsed);
  FUZZ_CHECK(parsed->with_port(7).with_port(parsed->port()) == *parsed);
  FUZZ_CHECK(!parsed->is_any() || !parsed->is_loopback());
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(Address::parse(text));
  const auto port = static_cast<uint16_t>(size == 0 ? 0 : data[0] * 257);
  const auto of_host = Address::parse(text, port);
  check(of_host);
  FUZZ_CHECK(!of_host || of_host->port() == port);
  return 0;
}
