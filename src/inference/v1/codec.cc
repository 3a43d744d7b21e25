#include "inference/v1/codec.h"

#include "base/json.h"
#include "inference/cell_builder.h"
#include "inference/json_reader.h"
#include "inference/nested_list.h"
#include "inference/tensor_json.h"
#include "inference/v1/columns.h"

namespace kinglet::inference::v1 {
namespace {

// Whether a list's first element is an object, or a list that begins with one.
bool BeginsWithObject(JsonReader reader) {
  if (!reader.EnterArray() || !reader.NextElement()) return false;
  if (reader.Peek() == '[' && (!reader.EnterArray() || !reader.NextElement())) return false;
  return reader.Peek() == '{';
}

// `reader` stands before the list.
Status DecodeInstances(JsonReader& reader, std::string_view member, std::vector<Tensor>* inputs,
                       bool* columns) {
  if (reader.Peek() != '[') {
    if (!reader.SkipValue()) {
      return Unexpected(reader.error().WithContext("Unrecognized request format"));
    }
    return Fail(Code::kInvalidArgument, "Expected \"{}\" to be a list", member);
  }
  *columns = BeginsWithObject(reader);
  if (*columns) {
    Budget budget = Budget::ForInput(reader.position() + reader.remaining());
    ColumnsBuilder builder(inputs, budget);
    reader.EnterArray();
    while (reader.NextElement()) {
      if (!builder.ReadInstance(reader)) break;
    }
    builder.Finish(reader);
  } else {
    inputs->resize(1);
    Tensor& tensor = inputs->front();
    CellBuilder cells(&tensor);
    ListShape shape;
    if (ReadNestedList(reader, &shape, [&](char next) { return cells.Read(reader, next); })) {
      cells.Finish("instances");
      tensor.shape.assign(shape.view().begin(), shape.view().end());
    }
  }
  if (!reader.ok()) return Unexpected(reader.error().WithContext("Unrecognized request format"));
  return {};
}

Status NotText() {
  return Fail(Code::kInternal,
              "an output holds bytes that are not UTF-8 text: ask for it with the V2 protocol's "
              "binary data extension");
}

}  // namespace

Result<DecodedRequest> DecodeRequest(std::string_view body, std::vector<Tensor>* inputs) {
  DecodedRequest decoded;
  JsonReader reader(body);
  bool has_inputs = false;
  if (reader.Peek() != '{') {
    if (!reader.SkipValue() || !reader.Finish()) {
      return Unexpected(reader.error().WithContext("Unrecognized request format"));
    }
    return Fail(Code::kInvalidArgument,
                "Unrecognized request format: expected an object with \"instances\"");
  }
  reader.EnterObject();
  for (std::string_view key; reader.NextKey(&key);) {
    bool is_inputs = key == "inputs";
    if (is_inputs || key == "instances") {
      decoded.has_instances = true;
      if (is_inputs || !has_inputs) {
        has_inputs |= is_inputs;
        KINGLET_RETURN_IF_ERROR(
            DecodeInstances(reader, is_inputs ? "inputs" : "instances", inputs, &decoded.columns));
        continue;
      }
      if (reader.Peek() != '[') {
        return Fail(Code::kInvalidArgument, "Expected \"instances\" to be a list");
      }
    }
    reader.SkipValue();
  }
  if (!reader.Finish()) {
    return Unexpected(reader.error().WithContext("Unrecognized request format"));
  }
  return decoded;
}

Status EncodeResponse(std::span<const Tensor> outputs, std::string* body) {
  *body += "{\"predictions\":";
  if (outputs.size() == 1) {
    size_t index = 0;
    if (!AppendNested(outputs[0], 0, &index, body)) return NotText();
  } else {
    size_t rows = outputs.empty() ? 0 : outputs[0].rows();
    for (const Tensor& output : outputs) {
      if (output.rows() != rows) {
        return Fail(Code::kInternal, "output '{}' has {} rows, output '{}' has {}", output.name,
                    output.rows(), outputs[0].name, rows);
      }
    }
    *body += '[';
    for (size_t row = 0; row < rows; ++row) {
      *body += row == 0 ? "{" : ",{";
      for (const Tensor& output : outputs) {
        if (&output != outputs.data()) *body += ',';
        AppendJsonString(*body, output.name);
        *body += ':';
        size_t index = row * output.columns();
        if (!AppendNested(output, std::min<size_t>(1, output.shape.size()), &index, body)) {
          return NotText();
        }
      }
      *body += '}';
    }
    *body += ']';
  }
  *body += '}';
  return {};
}

}  // namespace kinglet::inference::v1
