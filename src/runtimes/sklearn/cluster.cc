// sklearn.cluster.KMeans and MiniBatchKMeans: the nearest centre.
#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

class NearestCentre : public Estimator {
 public:
  NearestCentre(Traits traits, std::vector<double> centres, size_t count)
      : Estimator(std::move(traits)), centres_(std::move(centres)), count_(count) {}

  Status Predict(const Table& x, double* out) const override {
    KINGLET_RETURN_IF_ERROR(Check(x, Accept::kFinite));
    for (size_t r = 0; r < x.rows; ++r) {
      size_t best = 0;
      double least = 0;
      for (size_t k = 0; k < count_; ++k) {
        double distance = 0;
        for (size_t f = 0; f < x.columns; ++f) {
          const double difference = x.row(r)[f] - centres_[k * x.columns + f];
          distance += difference * difference;
        }
        if (k == 0 || distance < least) {
          least = distance;
          best = k;
        }
      }
      out[r] = static_cast<double>(best);
    }
    return {};
  }

 private:
  std::vector<double> centres_;
  size_t count_;
};

Result<std::unique_ptr<Estimator>> BuildKMeans(const Attributes& attributes) {
  KINGLET_TRY(Numbers centres, attributes.Array("cluster_centers_"));
  if (centres.shape.size() != 2 || centres.data.empty()) {
    return attributes.Wrong("cluster_centers_", "it is no matrix");
  }
  const size_t count = centres.rows();
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(centres.columns()));
  traits.number_type = inference::DataType::kInt32;
  traits.why_no_proba = "it finds clusters";
  return std::make_unique<NearestCentre>(std::move(traits), std::move(centres.data), count);
}

constexpr Family kFamilies[] = {
    {"KMeans", BuildKMeans},
    {"MiniBatchKMeans", BuildKMeans},
};

}  // namespace

std::span<const Family> ClusterFamilies() { return kFamilies; }

}  // namespace kinglet::runtimes::sklearn
