// A callable of a fixed signature, owned and move-only, that keeps small closures in itself.
//
// What it is: std::move_only_function, cut to what a reactor needs. A closure of up to three
// pointers whose move cannot throw lies inside the 32 bytes of the object; a larger one is
// allocated. Most closures are a few plain pointers: those are moved by copying their bytes and
// need no destruction, which costs no indirect call.
//
// Ownership: the closure lives and dies with the object. An object moved from is empty. Calling an
// empty one is forbidden.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace eddy {

template <typename Signature>
class InlineFunction;

template <typename Result, typename... Arguments>
class InlineFunction<Result(Arguments...)> {
 public:
  InlineFunction() noexcept = default;

  template <typename Closure>
    requires(!std::same_as<std::remove_cvref_t<Closure>, InlineFunction> &&
             std::is_invocable_r_v<Result, std::remove_cvref_t<Closure>&, Arguments...>)
  explicit(false) InlineFunction(Closure&& closure) {
    using Target = std::remove_cvref_t<Closure>;
    if constexpr (kFits<Target>) {
      ::new (storage_) Target(std::forward<Closure>(closure));
      operations_ = &kInline<Target>;
    } else {
      ::new (storage_) Target*(new Target(std::forward<Closure>(closure)));
      operations_ = &kAllocated<Target>;
    }
  }

  InlineFunction(InlineFunction&& other) noexcept { take(other); }
  InlineFunction& operator=(InlineFunction&& other) noexcept {
    if (this != &other) {
      destroy();
      take(other);
    }
    return *this;
  }
  InlineFunction(const InlineFunction&) = delete;
  InlineFunction& operator=(const InlineFunction&) = delete;
  ~InlineFunction() { destroy(); }

  Result operator()(Arguments... arguments) {
    return operations_->invoke(storage_, std::forward<Arguments>(arguments)...);
  }

  explicit operator bool() const noexcept { return operations_ != nullptr; }

  // Whether destroying this object runs code: an owner may drop it unseen if not.
  bool needs_destruction() const noexcept {
    return operations_ != nullptr && operations_->destroy != nullptr;
  }

 private:
  struct Operations {
    Result (*invoke)(void* storage, Arguments&&... arguments);
    void (*relocate)(void* from, void* to) noexcept;  // null: copying the bytes will do
    void (*destroy)(void* storage) noexcept;          // null: nothing to do
  };

  static constexpr std::size_t kCapacity = 3 * sizeof(void*);

  template <typename Target>
  static constexpr bool kFits = sizeof(Target) <= kCapacity && alignof(Target) <= alignof(void*) &&
                                std::is_nothrow_move_constructible_v<Target>;

  template <typename Target>
  static Target& target_in(void* storage) noexcept {
    return *std::launder(static_cast<Target*>(storage));
  }
  template <typename Target>
  static Result invoke_inline(void* storage, Arguments&&... arguments) {
    return static_cast<Result>(target_in<Target>(storage)(std::forward<Arguments>(arguments)...));
  }
  template <typename Target>
  static void relocate_inline(void* from, void* to) noexcept {
    Target& target = target_in<Target>(from);
    ::new (to) Target(std::move(target));
    target.~Target();  // NOLINT(bugprone-use-after-move): what was moved from is still to be
                       // destroyed
  }
  template <typename Target>
  static void destroy_inline(void* storage) noexcept {
    target_in<Target>(storage).~Target();
  }
  template <typename Target>
  static Result invoke_allocated(void* storage, Arguments&&... arguments) {
    return static_cast<Result>(
        (*target_in<Target*>(storage))(std::forward<Arguments>(arguments)...));
  }
  template <typename Target>
  static void destroy_allocated(void* storage) noexcept {
    delete target_in<Target*>(storage);
  }

  template <typename Target>
  static constexpr Operations kInline = {
      invoke_inline<Target>,
      std::is_trivially_copyable_v<Target> ? nullptr : relocate_inline<Target>,
      std::is_trivially_destructible_v<Target> ? nullptr : destroy_inline<Target>};
  template <typename Target>
  static constexpr Operations kAllocated = {invoke_allocated<Target>, nullptr,
                                            destroy_allocated<Target>};

  void take(InlineFunction& other) noexcept {
    operations_ = std::exchange(other.operations_, nullptr);
    if (operations_ == nullptr) return;
    if (operations_->relocate != nullptr) {
      operations_->relocate(other.storage_, storage_);
    } else {
      std::memcpy(storage_, other.storage_, kCapacity);
    }
  }
  void destroy() noexcept {
    if (needs_destruction()) operations_->destroy(storage_);
  }

  const Operations* operations_ = nullptr;
  // Zeroed, since a small closure fills a part only and all of it is moved: GCC would warn the user
  // of that.
  alignas(void*) std::byte storage_[kCapacity] = {};
};

}  // namespace eddy
