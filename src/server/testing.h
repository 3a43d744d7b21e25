// For tests: models that need no files.
#pragma once

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "server/model.h"
#include "server/repository.h"

namespace kinglet::server {

// Doubles each number of its first input; text it gives back. A negative number is wrong input, 500
// a failure inside the model. With columns: the sums of the columns.
class DoublingModel : public Model {
 public:
  explicit DoublingModel(std::string version = "") : version_(std::move(version)) {
    metadata_.inputs = {{"x", inference::DataType::kFp64, {-1, 2}}};
    metadata_.outputs = {{"output-0", inference::DataType::kFp64, {-1, 2}}};
  }
  const ModelMetadata& metadata() const override { return metadata_; }
  Status Predict(const PredictRequest& request, PredictResponse* response) const override {
    const inference::Tensor& input = request.inputs[0];
    inference::Tensor& output = response->Single();
    if (!version_.empty()) {
      output.Reset("output-0", inference::DataType::kBytes, {1});
      output.strings[0] = version_;
      return {};
    }
    if (input.datatype == inference::DataType::kBytes) {
      output.Reset("output-0", inference::DataType::kBytes, input.shape);
      output.strings = input.strings;
      return {};
    }
    output.Reset("output-0", inference::DataType::kFp64, input.shape);
    KINGLET_RETURN_IF_ERROR(inference::ConvertTo(input, output.As<double>()));
    for (double& value : output.As<double>()) {
      if (value < 0) return Fail(Code::kInvalidArgument, "negative input");
      if (value == 500) return Fail(Code::kInternal, "the model broke");
      value *= 2;
    }
    if (request.columns) {
      for (size_t i = 1; i < request.inputs.size(); ++i) {
        std::vector<double> column(output.size());
        KINGLET_RETURN_IF_ERROR(inference::ConvertTo(request.inputs[i], std::span<double>(column)));
        for (size_t row = 0; row < column.size(); ++row) {
          output.As<double>()[row] += column[row] * 2;
        }
      }
    }
    return {};
  }

 private:
  std::string version_;
  ModelMetadata metadata_;
};

// A folder that goes with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = std::filesystem::temp_directory_path() / "kinglet-server-XXXXXX";
    KINGLET_CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }
  void Write(const std::filesystem::path& name, std::string_view text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << text;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace kinglet::server
