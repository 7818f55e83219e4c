// Assertions that tell whose bug it is.
//
// EDDY_REQUIRE(condition, rule): the program that uses eddy broke a rule of a header's contract. A
// debug build prints the rule and ends the program; another does not look. What counts is how eddy
// itself was built: without NDEBUG (CMAKE_BUILD_TYPE=Debug) it is a debug build, whichever way the
// program is.
// EDDY_REQUIRE_ALWAYS(condition, rule): the same in every build, where to go on would be worse than
// to stop.
// EDDY_INVARIANT(condition, what): eddy itself is wrong. Checked in every build, so not for the hot
// path.
//
// A rule is written for who reads it on stderr: in the words of the public headers, and what the
// program did ("a Stream was used after its on_close").
#pragma once

namespace eddy {

[[noreturn]] void fail_requirement(const char* rule) noexcept;
[[noreturn]] void fail_invariant(const char* what, const char* function) noexcept;

}  // namespace eddy

#ifdef NDEBUG
#define EDDY_REQUIRE(condition, rule) static_cast<void>(0)
#else
#define EDDY_REQUIRE(condition, rule) EDDY_REQUIRE_ALWAYS(condition, rule)
#endif

#define EDDY_REQUIRE_ALWAYS(condition, rule) \
  ((condition) ? static_cast<void>(0) : ::eddy::fail_requirement(rule))

#define EDDY_INVARIANT(condition, what) \
  ((condition) ? static_cast<void>(0) : ::eddy::fail_invariant(what, __func__))
