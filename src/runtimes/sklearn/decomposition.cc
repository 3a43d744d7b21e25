// sklearn.decomposition.PCA and TruncatedSVD.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

class Projection : public Estimator {
 public:
  Projection(Traits traits, std::vector<double> mean, std::vector<double> components,
             std::vector<double> scale)
      : Estimator(std::move(traits)),
        mean_(std::move(mean)),
        components_(std::move(components)),
        scale_(std::move(scale)) {}

  Status Transform(const Table& x, Rows* out) const override {
    KINGLET_RETURN_IF_ERROR(Check(x, Accept::kFinite));
    const size_t width = traits_.transformed_columns;
    out->Reset(x.rows, width);
    double* to = out->values.data();
    for (size_t r = 0; r < x.rows; ++r) {
      for (size_t k = 0; k < width; ++k) {
        double sum = 0;
        for (size_t f = 0; f < x.columns; ++f) {
          sum += (x.row(r)[f] - mean_[f]) * components_[k * x.columns + f];
        }
        *to++ = sum / scale_[k];
      }
    }
    return {};
  }

 private:
  std::vector<double> mean_, components_, scale_;
};

Result<std::unique_ptr<Estimator>> Build(const Attributes& attributes) {
  KINGLET_TRY(Numbers components, attributes.Array("components_"));
  if (components.shape.size() != 2 || components.data.empty()) {
    return attributes.Wrong("components_", "it is no matrix");
  }
  const size_t features = components.columns();
  const size_t width = components.rows();
  std::vector<double> mean(features, 0), scale(width, 1);
  if (attributes.Has("mean_")) {
    KINGLET_TRY(Numbers numbers, attributes.Array("mean_"));
    if (numbers.data.size() != features) return attributes.Wrong("mean_", "it has the wrong size");
    mean = std::move(numbers.data);
  }
  KINGLET_TRY(const bool whiten, attributes.BoolOr("whiten", false));
  if (whiten) {
    KINGLET_TRY(const Numbers variance, attributes.Array("explained_variance_"));
    if (variance.data.size() != width) {
      return attributes.Wrong("explained_variance_", "it has the wrong size");
    }
    for (size_t k = 0; k < width; ++k) {
      scale[k] = std::max(std::sqrt(variance.data[k]), std::numeric_limits<double>::epsilon());
    }
  }
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(features));
  traits.predicts = false;
  traits.transforms = true;
  traits.transformed_columns = width;
  return std::make_unique<Projection>(std::move(traits), std::move(mean),
                                      std::move(components.data), std::move(scale));
}

constexpr Family kFamilies[] = {{"PCA", Build}, {"TruncatedSVD", Build}};

}  // namespace

std::span<const Family> DecompositionFamilies() { return kFamilies; }

}  // namespace kinglet::runtimes::sklearn
