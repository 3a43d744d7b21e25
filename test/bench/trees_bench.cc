// Times a model's Predict, without a server around it.
//
//   trees_bench FORMAT MODEL ROWS COLUMNS
//
// ROWS is a file of float64 values, row after row. Prints a line a batch size: the batch, the best
// and the median microseconds a call, and the sum of the predictions (to compare with the library).
// trees_bench.py calls it.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <numeric>

#include <fmt/core.h>

#include "runtimes/plugin.h"

namespace {

using Clock = std::chrono::steady_clock;

int Fail(std::string_view message) {
  fmt::print(stderr, "{}\n", message);
  return 1;
}

double Sum(const kinglet::inference::Tensor& tensor) {
  std::vector<double> values(tensor.size());
  if (!kinglet::inference::ConvertTo(tensor, std::span<double>(values))) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return Fail("usage: trees_bench FORMAT MODEL ROWS COLUMNS");
  const auto plugins = kinglet::runtimes::Plugins();
  const auto plugin = std::find_if(plugins.begin(), plugins.end(),
                                   [&](const auto& entry) { return entry.name == argv[1]; });
  if (plugin == plugins.end()) return Fail("no such format");
  const auto before_load = Clock::now();
  auto model = kinglet::runtimes::LoadModelFile(plugin->make(), argv[2], {.predict_proba = true});
  if (!model) return Fail(model.error().ToString());
  fmt::print("load {:.1f}\n",
             std::chrono::duration<double, std::micro>(Clock::now() - before_load).count());

  std::ifstream file(argv[3], std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  const size_t columns = static_cast<size_t>(std::atoi(argv[4]));
  if (columns == 0 || bytes.empty() || bytes.size() % (8 * columns) != 0) return Fail("bad rows");
  const size_t rows = bytes.size() / 8 / columns;

  for (size_t batch : {size_t{1}, size_t{64}}) {
    if (rows < batch) continue;
    std::vector<kinglet::server::PredictRequest> requests(rows / batch);
    for (size_t i = 0; i < requests.size(); ++i) {
      auto& input = requests[i].inputs.emplace_back();
      input.Reset("input-0", kinglet::inference::DataType::kFp64,
                  {static_cast<int64_t>(batch), static_cast<int64_t>(columns)});
      const size_t size = batch * columns * 8;
      std::copy_n(reinterpret_cast<const std::byte*>(bytes.data()) + i * size, size,
                  input.data.begin());
    }
    kinglet::server::PredictResponse response;
    std::vector<double> times;
    double sum = 0;
    for (int round = 0; round < 30; ++round) {
      sum = 0;
      const auto start = Clock::now();
      for (const auto& request : requests) {
        if (auto status = (*model)->Predict(request, &response); !status) {
          return Fail(status.error().ToString());
        }
        if (round == 0) sum += Sum(response.outputs[0]);
      }
      const double us = std::chrono::duration<double, std::micro>(Clock::now() - start).count();
      if (round == 0) {
        fmt::print("sum {} {:.17g}\n", batch, sum);
      } else {
        times.push_back(us / static_cast<double>(requests.size()));
      }
    }
    std::sort(times.begin(), times.end());
    fmt::print("time {} {:.3f} {:.3f}\n", batch, times[0], times[times.size() / 2]);
  }
  return 0;
}
