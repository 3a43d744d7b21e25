// For tests: compares a format with the library it comes from, over the recorded models in
// test/data (made by the scripts in test/parity).
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "runtimes/plugin.h"

namespace kinglet::runtimes::testing {

// NAME.cases.json.
struct Cases {
  std::string name;
  std::string library;
  std::filesystem::path file;
  std::vector<std::string> names;
  size_t columns = 0;
  std::vector<double> rows;  // NaN for null
  std::vector<int64_t> shape;
  std::vector<double> expected;
  Json extra;  // the whole document
};

inline double NumberOrNan(const Json& value) {
  return value.IsNull() ? std::numeric_limits<double>::quiet_NaN() : value.AsDouble();
}

inline std::vector<Cases> ReadCases(const std::string& folder) {
  std::vector<Cases> all;
  const std::filesystem::path root =
      std::filesystem::path(KINGLET_SOURCE_DIR) / "test" / "data" / folder;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    const std::string file = entry.path().filename();
    const std::string_view ending = ".cases.json";
    if (!file.ends_with(ending)) continue;
    const auto text = ReadFile(entry.path());
    EXPECT_TRUE(text) << file;
    if (!text) continue;
    auto document = Json::Parse(*text);
    EXPECT_TRUE(document) << file;
    if (!document) continue;
    Cases cases;
    cases.name = file.substr(0, file.size() - ending.size());
    cases.library = (*document)["library"].AsString();
    cases.file = root / (*document)["file"].AsString();
    for (const Json& name : (*document)["names"].AsArray()) cases.names.push_back(name.AsString());
    for (const Json& row : (*document)["X"].AsArray()) {
      cases.columns = row.size();
      for (const Json& x : row.AsArray()) cases.rows.push_back(NumberOrNan(x));
    }
    for (const Json& size : (*document)["shape"].AsArray()) cases.shape.push_back(size.AsInt());
    for (const Json& x : (*document)["expected"].AsArray()) {
      cases.expected.push_back(NumberOrNan(x));
    }
    cases.extra = std::move(*document);
    all.push_back(std::move(cases));
  }
  std::sort(all.begin(), all.end(), [](const Cases& a, const Cases& b) { return a.name < b.name; });
  return all;
}

// Rows [first, first + count) of the cases as a matrix.
inline server::PredictRequest MatrixRequest(const Cases& cases, size_t first, size_t count) {
  server::PredictRequest request;
  inference::Tensor& input = request.inputs.emplace_back();
  input.Reset("input-0", inference::DataType::kFp64,
              {static_cast<int64_t>(count), static_cast<int64_t>(cases.columns)});
  std::copy_n(cases.rows.begin() + first * cases.columns, count * cases.columns,
              input.As<double>().begin());
  return request;
}

inline std::vector<double> Doubles(const inference::Tensor& tensor) {
  std::vector<double> out(tensor.size());
  EXPECT_TRUE(inference::ConvertTo(tensor, std::span<double>(out)));
  return out;
}

inline double RelativeDifference(double a, double b) {
  if (std::isnan(a) && std::isnan(b)) return 0;
  if (a == b) return 0;
  const double difference = std::abs(a - b) / std::max({std::abs(a), std::abs(b), 1e-30});
  return std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference;
}

// Every recorded model of the format: as one batch and row by row, against the library's answers.
// `floor`: below this magnitude differences count absolutely, as parts of it.
inline void ExpectParity(const Plugin& plugin, double tolerance, double floor) {
  struct Line {
    int models = 0;
    size_t rows = 0;
    double largest = 0;
    std::string worst;
  };
  std::map<std::string, Line> table;
  for (const Cases& cases : ReadCases(std::string(plugin.format))) {
    SCOPED_TRACE(cases.name);
    auto model = LoadModelFile(plugin, cases.file, {});
    EXPECT_TRUE(model) << model.error().ToString();
    if (!model) continue;
    const auto head = ReadFile(cases.file);
    EXPECT_TRUE(plugin.matches(std::string_view(*head).substr(0, 4096)));
    const size_t n = cases.rows.size() / cases.columns;
    const size_t width = cases.expected.size() / n;
    Line& line = table[cases.library];
    ++line.models;
    line.rows += n;
    auto compare = [&](size_t first, size_t count) {
      server::PredictResponse response;
      const Status status = (*model)->Predict(MatrixRequest(cases, first, count), &response);
      ASSERT_TRUE(status) << status.error().ToString();
      std::vector<int64_t> shape = cases.shape;
      shape[0] = static_cast<int64_t>(count);
      ASSERT_EQ(response.outputs.size(), 1u);
      EXPECT_EQ(response.outputs[0].name, "output-0");
      ASSERT_EQ(response.outputs[0].shape, shape);
      const std::vector<double> actual = Doubles(response.outputs[0]);
      for (size_t i = 0; i < actual.size(); ++i) {
        const double expected = cases.expected[first * width + i];
        double difference = RelativeDifference(actual[i], expected);
        if (std::abs(expected) < floor) difference = std::abs(actual[i] - expected) / floor;
        if (difference > line.largest) {
          line.largest = difference;
          line.worst = cases.name;
        }
        EXPECT_LE(difference, tolerance) << "value " << i << " of row " << first << ": "
                                         << actual[i] << ", the library: " << expected;
      }
    };
    compare(0, n);
    for (size_t i = 0; i < n; ++i) compare(i, 1);
    if (::testing::Test::HasFatalFailure()) return;
  }
  EXPECT_FALSE(table.empty());
  fmt::print("{:<20} {:>7} {:>6} {:>20}\n", "library", "models", "rows", "largest difference");
  for (const auto& [library, line] : table) {
    fmt::print("{:<20} {:>7} {:>6} {:>20.2g}  {}\n", library, line.models, line.rows, line.largest,
               line.worst);
  }
}

}  // namespace kinglet::runtimes::testing
