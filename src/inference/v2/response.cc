#include "inference/v2/response.h"

#include "base/json.h"
#include "inference/number_text.h"
#include "inference/tensor_json.h"
#include "inference/v2/typed_data.h"

namespace kinglet::inference::v2 {
namespace {

const Tensor* FindOutput(std::span<const Tensor> outputs, std::string_view name) {
  for (const Tensor& output : outputs) {
    if (output.name == name) return &output;
  }
  return nullptr;
}

Status AppendOutput(const Tensor& output, bool binary, std::string* body) {
  *body += "{\"name\":";
  AppendJsonString(*body, output.name);
  *body += ",\"shape\":[";
  for (size_t i = 0; i < output.shape.size(); ++i) {
    if (i != 0) *body += ',';
    AppendNumber(body, output.shape[i]);
  }
  *body += "],\"datatype\":\"";
  *body += DataTypeName(output.datatype);
  if (binary) {
    *body += "\",\"parameters\":{\"binary_data_size\":";
    AppendNumber(body, static_cast<uint64_t>(BinaryDataSize(output)));
    *body += "}}";
    return {};
  }
  if (output.datatype == DataType::kFp16 && output.size() != 0) {
    return Fail(
        Code::kInvalidArgument,
        "Sending FP16 data via JSON is not supported. Please use the binary data format for "
        "output {}",
        output.name);
  }
  *body += "\",\"parameters\":null,\"data\":[";
  if (!AppendElements(output, 0, output.size(), body)) {
    return Fail(
        Code::kInternal,
        "Failed to encode output '{}' using UTF-8. Please use binary_data=True, if you want "
        "to receive a byte array.",
        output.name);
  }
  *body += "]}";
  return {};
}

}  // namespace

Result<std::optional<size_t>> EncodeInferResponse(std::string_view model_name, std::string_view id,
                                                  const InferHead& request,
                                                  std::span<const Tensor> outputs,
                                                  std::string* body) {
  size_t start = body->size();
  *body += "{\"model_name\":";
  AppendJsonString(*body, model_name);
  *body += ",\"model_version\":null,\"id\":";
  AppendJsonString(*body, id);
  *body += ",\"parameters\":null,\"outputs\":[";
  bool any_binary = false;
  size_t count = request.outputs.empty() ? outputs.size() : request.outputs.size();
  auto selected = [&](size_t i) {
    return request.outputs.empty() ? &outputs[i] : FindOutput(outputs, request.outputs[i].name);
  };
  auto binary = [&](size_t i) {
    return request.outputs.empty() ? request.binary_data_output : request.outputs[i].binary_data;
  };
  for (size_t i = 0; i < count; ++i) {
    const Tensor* output = selected(i);
    if (output == nullptr) {
      return Fail(Code::kInvalidArgument, "Unexpected inference output '{}' for model '{}'",
                  request.outputs[i].name, model_name);
    }
    // Each repetition of a short name would repeat a whole tensor in the answer.
    for (size_t before = 0; !request.outputs.empty() && before < i; ++before) {
      if (request.outputs[before].name == output->name) {
        return Fail(Code::kInvalidArgument, "output '{}' is requested twice", output->name);
      }
    }
    if (i != 0) *body += ',';
    KINGLET_RETURN_IF_ERROR(AppendOutput(*output, binary(i), body));
    any_binary |= binary(i);
  }
  *body += "]}";
  if (!any_binary) return std::optional<size_t>();
  size_t json_length = body->size() - start;
  for (size_t i = 0; i < count; ++i) {
    if (binary(i)) AppendBinaryData(*selected(i), body);
  }
  return std::optional<size_t>(json_length);
}

}  // namespace kinglet::inference::v2
