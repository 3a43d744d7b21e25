// sklearn.neural_network.MLPClassifier and MLPRegressor.
#include <algorithm>
#include <cmath>

#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

enum class Activation { kIdentity, kLogistic, kTanh, kRelu, kSoftmax, kExponential };

struct Layer {
  size_t inputs = 0;
  size_t outputs = 0;
  std::vector<double> weights;  // [inputs, outputs]
  std::vector<double> bias;
};

void Activate(Activation activation, double* values, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    switch (activation) {
      case Activation::kLogistic:
        values[i] = Expit(values[i]);
        break;
      case Activation::kTanh:
        values[i] = std::tanh(values[i]);
        break;
      case Activation::kRelu:
        values[i] = values[i] > 0 ? values[i] : 0;
        break;
      case Activation::kExponential:
        values[i] = std::exp(values[i]);
        break;
      case Activation::kIdentity:
      case Activation::kSoftmax:
        break;
    }
  }
  if (activation == Activation::kSoftmax) Softmax(values, count);
}

class Perceptron : public Estimator {
 public:
  Perceptron(Traits traits, std::vector<Layer> layers, Activation hidden, Activation last)
      : Estimator(std::move(traits)), layers_(std::move(layers)), hidden_(hidden), last_(last) {
    for (const Layer& layer : layers_) widest_ = std::max(widest_, layer.outputs);
  }

  Status Predict(const Table& x, double* out) const override {
    KINGLET_RETURN_IF_ERROR(Check(x, Accept::kFinite));
    Buffer<double> first(widest_), second(widest_);
    for (size_t r = 0; r < x.rows; ++r) {
      const double* result = Forward(x.row(r), first.data(), second.data());
      const size_t width = layers_.back().outputs;
      if (traits_.classes.empty()) {
        out = std::copy_n(result, width, out);
      } else {
        *out++ =
            width == 1 ? (result[0] > 0.5 ? 1 : 0) : static_cast<double>(ArgMax(result, width));
      }
    }
    return {};
  }

  Status PredictProba(const Table& x, double* out) const override {
    KINGLET_RETURN_IF_ERROR(Check(x, Accept::kFinite));
    Buffer<double> first(widest_), second(widest_);
    for (size_t r = 0; r < x.rows; ++r) {
      const double* result = Forward(x.row(r), first.data(), second.data());
      if (layers_.back().outputs == 1) {
        *out++ = 1 - result[0];
        *out++ = result[0];
      } else {
        out = std::copy_n(result, layers_.back().outputs, out);
      }
    }
    return {};
  }

 private:
  // The last layer's values, in one of the two buffers.
  const double* Forward(const double* row, double* to, double* other) const {
    const double* from = row;
    for (size_t l = 0; l < layers_.size(); ++l) {
      const Layer& layer = layers_[l];
      std::fill_n(to, layer.outputs, 0.0);
      for (size_t i = 0; i < layer.inputs; ++i) {
        const double* weights = layer.weights.data() + i * layer.outputs;
        for (size_t o = 0; o < layer.outputs; ++o) to[o] += from[i] * weights[o];
      }
      for (size_t o = 0; o < layer.outputs; ++o) to[o] += layer.bias[o];
      Activate(l + 1 == layers_.size() ? last_ : hidden_, to, layer.outputs);
      from = to;
      std::swap(to, other);
    }
    return from;
  }

  std::vector<Layer> layers_;
  Activation hidden_, last_;
  size_t widest_ = 0;
};

Result<Activation> ReadActivation(const Attributes& attributes, std::string_view name) {
  const std::string text = attributes.TextOr(name, "");
  if (text == "identity") return Activation::kIdentity;
  if (text == "logistic") return Activation::kLogistic;
  if (text == "tanh") return Activation::kTanh;
  if (text == "relu") return Activation::kRelu;
  if (text == "softmax") return Activation::kSoftmax;
  if (text == "exp") return Activation::kExponential;
  return attributes.Unsupported(fmt::format("{}='{}'", name, text.substr(0, 40)));
}

Result<std::unique_ptr<Estimator>> Build(const Attributes& attributes, bool classifier) {
  KINGLET_TRY(const std::vector<pickle::Value> weights, attributes.Items("coefs_"));
  KINGLET_TRY(const std::vector<pickle::Value> biases, attributes.Items("intercepts_"));
  if (weights.empty() || weights.size() != biases.size()) {
    return attributes.Wrong("coefs_", "it does not fit intercepts_");
  }
  std::vector<Layer> layers;
  for (size_t l = 0; l < weights.size(); ++l) {
    KINGLET_TRY(Numbers matrix, attributes.ArrayOf("coefs_", weights[l]));
    KINGLET_TRY(Numbers bias, attributes.ArrayOf("intercepts_", biases[l]));
    if (matrix.shape.size() != 2 || matrix.data.empty() ||
        bias.data.size() != static_cast<size_t>(matrix.shape[1]) ||
        (l > 0 && static_cast<size_t>(matrix.shape[0]) != layers.back().outputs)) {
      return attributes.Wrong("coefs_", "its layers do not fit each other");
    }
    layers.push_back({static_cast<size_t>(matrix.shape[0]), static_cast<size_t>(matrix.shape[1]),
                      std::move(matrix.data), std::move(bias.data)});
  }
  KINGLET_TRY(const Activation hidden, ReadActivation(attributes, "activation"));
  KINGLET_TRY(const Activation last, ReadActivation(attributes, "out_activation_"));
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(layers.front().inputs));
  const size_t width = layers.back().outputs;
  if (classifier) {
    if (attributes.Raw("_label_binarizer").Attr("y_type_").text().starts_with("multilabel")) {
      return attributes.Unsupported("multilabel targets");
    }
    KINGLET_TRY(Labels classes, attributes.Classes("classes_"));
    if (classes.size() < 2 || width != (classes.size() == 2 ? 1 : classes.size())) {
      return attributes.Wrong("classes_", "it does not fit the last layer");
    }
    traits.classes.push_back(std::move(classes));
    traits.has_proba = true;
  } else {
    traits.outputs = width;
    traits.flat = width == 1;
    traits.why_no_proba = "it is a regressor";
  }
  return std::make_unique<Perceptron>(std::move(traits), std::move(layers), hidden, last);
}

Result<std::unique_ptr<Estimator>> BuildClassifier(const Attributes& attributes) {
  return Build(attributes, true);
}
Result<std::unique_ptr<Estimator>> BuildRegressor(const Attributes& attributes) {
  return Build(attributes, false);
}

constexpr Family kFamilies[] = {
    {"MLPClassifier", BuildClassifier},
    {"MLPRegressor", BuildRegressor},
};

}  // namespace

std::span<const Family> NeuralNetworkFamilies() { return kFamilies; }

}  // namespace kinglet::runtimes::sklearn
