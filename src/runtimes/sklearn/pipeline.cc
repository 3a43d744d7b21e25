// sklearn.pipeline.Pipeline: transformers in a row, then an estimator.
#include <algorithm>
#include <utility>

#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

constexpr size_t kMaxSteps = 100;

class Pipeline : public Estimator {
 public:
  Pipeline(Traits traits, std::vector<std::unique_ptr<Estimator>> steps)
      : Estimator(std::move(traits)), steps_(std::move(steps)) {}

  size_t peak_columns() const override {
    size_t peak = Estimator::peak_columns();
    for (const auto& step : steps_) peak = std::max(peak, step->peak_columns());
    return peak;
  }

  Status Predict(const Table& x, double* out) const override {
    Rows rows;
    KINGLET_TRY(const Table last, BeforeLast(x, &rows));
    return steps_.back()->Predict(last, out);
  }

  Status PredictProba(const Table& x, double* out) const override {
    Rows rows;
    KINGLET_TRY(const Table last, BeforeLast(x, &rows));
    return steps_.back()->PredictProba(last, out);
  }

  Status Transform(const Table& x, Rows* out) const override {
    Rows rows;
    KINGLET_TRY(const Table last, BeforeLast(x, &rows));
    return steps_.back()->Transform(last, out);
  }

 private:
  Result<Table> BeforeLast(const Table& x, Rows* rows) const {
    Table table = x;
    for (size_t i = 0; i + 1 < steps_.size(); ++i) {
      Rows next;
      KINGLET_RETURN_IF_ERROR(steps_[i]->Transform(table, &next));
      // Else the caller would take for predictions what the memory held before.
      if (next.rows != table.rows) {
        return Fail(Code::kInternal, "{} gives another number of rows than it was given",
                    steps_[i]->traits().name);
      }
      *rows = std::move(next);
      table = rows->table();
    }
    return table;
  }

  std::vector<std::unique_ptr<Estimator>> steps_;
};

Result<std::unique_ptr<Estimator>> BuildPipeline(const Attributes& attributes) {
  KINGLET_TRY(const std::vector<pickle::Value> items, attributes.Items("steps"));
  if (items.empty() || items.size() > kMaxSteps) {
    return attributes.Wrong("steps", "it has no steps or too many");
  }
  std::vector<std::unique_ptr<Estimator>> steps;
  for (const pickle::Value item : items) {
    const pickle::Value step = item[1];
    if (step.none() || step.text() == "passthrough") continue;
    KINGLET_TRY(std::unique_ptr<Estimator> built, attributes.Nested(item[0].text(), step));
    if (!steps.empty()) {
      const Estimator::Traits& before = steps.back()->traits();
      if (!before.transforms) return attributes.Wrong("steps", "a step does not transform");
      const size_t wanted = built->traits().features;
      if (wanted != 0 && before.transformed_columns != 0 && wanted != before.transformed_columns) {
        return attributes.Wrong("steps", "a step does not fit the one before it");
      }
    }
    steps.push_back(std::move(built));
  }
  if (steps.empty()) return attributes.Unsupported("nothing but passthrough");
  Estimator::Traits traits = steps.back()->traits();
  traits.features = steps.front()->traits().features;
  traits.feature_names = steps.front()->traits().feature_names;
  return std::make_unique<Pipeline>(std::move(traits), std::move(steps));
}

constexpr Family kFamilies[] = {{"Pipeline", BuildPipeline}};

}  // namespace

std::span<const Family> PipelineFamilies() { return kFamilies; }

}  // namespace kinglet::runtimes::sklearn
