// resource.Quantity: "100m", "1.5Gi", "2e3". Exact: kept as a whole number of nano units.
// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace kinglet::kube {

class Quantity {
 public:
  enum class Format { kDecimalSI, kBinarySI, kDecimalExponent };

  Quantity() = default;  // 0
  static Quantity FromInt(int64_t value, Format format = Format::kDecimalSI);
  static Quantity FromMilli(int64_t milli);
  // Fractions below a nano unit are rounded away from zero; magnitudes are capped at 2^63-1.
  static Result<Quantity> Parse(std::string_view text);
  // A string or a number, as in resource lists.
  static Result<Quantity> FromJson(const Json& value);

  // By value; the format does not matter.
  std::strong_ordering operator<=>(const Quantity& other) const;
  bool operator==(const Quantity& other) const { return nano_ == other.nano_; }
  Quantity operator+(const Quantity& other) const;  // this format; capped
  Quantity operator-(const Quantity& other) const;
  bool IsZero() const { return nano_ == 0; }
  int Sign() const { return nano_ > 0 ? 1 : nano_ < 0 ? -1 : 0; }

  int64_t Value() const;       // rounded away from zero
  int64_t MilliValue() const;  // rounded away from zero, capped
  double AsDouble() const;
  Format format() const { return format_; }
  // The canonical text: no fraction, the largest suffix that keeps it exact.
  std::string ToString() const;

 private:
  __int128 nano_ = 0;
  Format format_ = Format::kDecimalSI;
};

}  // namespace kinglet::kube
