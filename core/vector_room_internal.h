// Room in a vector, for those who must not throw.
#pragma once

#include <new>
#include <vector>

namespace eddy {

// Room for one more element; false when there is no memory, and nothing has changed.
template <typename T>
bool make_room(std::vector<T>& elements) noexcept {
  if (elements.size() < elements.capacity()) return true;
  try {
    elements.reserve(2 * elements.size() + 4);
  } catch (const std::bad_alloc&) {
    return false;
  }
  return true;
}

}  // namespace eddy
