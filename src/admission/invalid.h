// How validators refuse: kInvalidArgument with KServe's words.
#pragma once

#include <utility>

#include "base/result.h"

namespace kinglet::admission {

template <class... Args>
Unexpected Invalid(fmt::format_string<Args...> format, Args&&... args) {
  return Fail(Code::kInvalidArgument, format, std::forward<Args>(args)...);
}

}  // namespace kinglet::admission
