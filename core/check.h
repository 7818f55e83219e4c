// Assertions that tell whose bug it is.
//
// EDDY_REQUIRE(condition, rule): the caller broke a rule of a header's contract. A debug build (no
// NDEBUG) prints the rule and ends the program; a release build does not look.
// EDDY_INVARIANT(condition, what): eddy itself is wrong. Checked in every build, so not for the hot
// path.
#pragma once

namespace eddy {

[[noreturn]] void fail_requirement(const char* rule, const char* function) noexcept;
[[noreturn]] void fail_invariant(const char* what, const char* function) noexcept;

}  // namespace eddy

#ifdef NDEBUG
#define EDDY_REQUIRE(condition, rule) static_cast<void>(0)
#else
#define EDDY_REQUIRE(condition, rule) \
  ((condition) ? static_cast<void>(0) : ::eddy::fail_requirement(rule, __func__))
#endif

#define EDDY_INVARIANT(condition, what) \
  ((condition) ? static_cast<void>(0) : ::eddy::fail_invariant(what, __func__))
