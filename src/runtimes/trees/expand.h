// From a row of features to the slots of a forest (see flat.h). Internal to trees/.
#pragma once

#include <cmath>
#include <limits>
#include <span>

#include "runtimes/trees/flat.h"

namespace kinglet::runtimes::trees {

template <class T>
bool IsMissing(T x, Missing missing) {
  // LightGBM's kZeroThreshold, a float constant compared as T.
  constexpr T kZero = static_cast<T>(1e-35f);
  switch (missing) {
    case Missing::kNone:
      return false;
    case Missing::kZero:
      return std::isnan(x) || (x >= -kZero && x <= kZero);
    case Missing::kNan:
      return std::isnan(x);
  }
  return false;
}

// The category number of a value: truncated towards zero. -1: missing. Values that are no category
// become a number that is in no set. Floats below zero are no category (XGBoost), doubles are
// truncated first (LightGBM, scikit-learn).
template <class T>
T CategoryOf(T x, Missing missing) {
  constexpr T kLimit = sizeof(T) == 4 ? T(1 << 24) : T(int64_t{1} << 31);
  if (IsMissing(x, missing)) return T{-1};
  if (std::isnan(x)) return T{0};
  if constexpr (sizeof(T) == 4) {
    if (x < 0) return kLimit;
  }
  const T category = std::trunc(x);
  return category >= 0 && category < kLimit ? category : kLimit;
}

template <class T>
T SlotValue(const Slot& slot, T x) {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  switch (slot.kind) {
    case Slot::Kind::kValue:
      if (slot.missing == Missing::kNone) return std::isnan(x) ? T{0} : x;
      return IsMissing(x, slot.missing) ? (slot.missing_left ? -kInfinity : kInfinity) : x;
    case Slot::Kind::kMissing:
      return IsMissing(x, slot.missing) ? T{1} : T{0};
    case Slot::Kind::kCategory:
      return CategoryOf(x, slot.missing);
  }
  return x;
}

template <class T>
void Expand(const std::vector<Slot>& slots, const T* row, T* out) {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  out[0] = -kInfinity;
  for (size_t i = 1; i < slots.size(); ++i) {
    const Slot& slot = slots[i];
    const T x = row[slot.feature];
    // The common case first: nothing to think about for a number that is not near zero.
    if (slot.kind == Slot::Kind::kValue && slot.missing != Missing::kZero) [[likely]] {
      const T instead = slot.missing == Missing::kNone ? T{0}
                        : slot.missing_left            ? -kInfinity
                                                       : kInfinity;
      out[i] = x == x ? x : instead;
    } else {
      out[i] = SlotValue(slot, x);
    }
  }
}

}  // namespace kinglet::runtimes::trees
