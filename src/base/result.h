// Result<T>: a value, or why there is none. For everything a user, a network, a file or a peer
// can cause. A broken invariant of our own aborts instead (KINGLET_CHECK).
#pragma once

#include <fmt/format.h>

#include <expected>
#include <utility>

#include "base/error.h"

namespace kinglet {

template <class T>
using Result = std::expected<T, Error>;

// A result that carries no value.
using Status = Result<void>;

using Unexpected = std::unexpected<Error>;

// return Fail(Code::kNotFound, "no model named {}", name);
template <class... Args>
Unexpected Fail(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return Unexpected(Error(code, fmt::format(format, std::forward<Args>(args)...)));
}

[[noreturn]] void CheckFailed(const char* file, int line, const char* what);

}  // namespace kinglet

#define KINGLET_CONCAT_INNER(a, b) a##b
#define KINGLET_CONCAT(a, b) KINGLET_CONCAT_INNER(a, b)

// KINGLET_TRY(auto text, ReadFile(path));  -- returns the error from the enclosing function.
// In a coroutine use KINGLET_CO_TRY.
#define KINGLET_TRY(declaration, expression) \
  KINGLET_TRY_INNER(KINGLET_CONCAT(result_, __LINE__), declaration, expression, return)
#define KINGLET_CO_TRY(declaration, expression) \
  KINGLET_TRY_INNER(KINGLET_CONCAT(result_, __LINE__), declaration, expression, co_return)
#define KINGLET_TRY_INNER(result, declaration, expression, ret)              \
  auto result = (expression);                                                \
  if (!result) [[unlikely]]                                                  \
    ret ::kinglet::Unexpected(std::move(result).error());                    \
  declaration = std::move(*result)

// KINGLET_RETURN_IF_ERROR(Status-or-Result expression);
#define KINGLET_RETURN_IF_ERROR(expression)                                          \
  if (auto status_ = (expression); !status_) [[unlikely]]                            \
    return ::kinglet::Unexpected(std::move(status_).error())
#define KINGLET_CO_RETURN_IF_ERROR(expression)                                       \
  if (auto status_ = (expression); !status_) [[unlikely]]                            \
    co_return ::kinglet::Unexpected(std::move(status_).error())

// An invariant of this program. Never for input.
#define KINGLET_CHECK(condition) \
  ((condition) ? (void)0 : ::kinglet::CheckFailed(__FILE__, __LINE__, #condition))
