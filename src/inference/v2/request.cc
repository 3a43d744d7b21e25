#include "inference/v2/request.h"

#include <array>
#include <utility>

#include "base/json.h"
#include "inference/json_reader.h"
#include "inference/v2/typed_data.h"

namespace kinglet::inference::v2 {
namespace {

constexpr size_t kMaxInputs = 65'536;

// One input while its members, which come in any order, are read.
struct InputMembers {
  bool name = false, shape = false, datatype = false;
  bool decoded = false;   // data came after the rest and is in the tensor already
  std::string_view data;  // else its text
  std::optional<int64_t> binary_data_size;
  std::string datatype_text;
};

class Decoder {
 public:
  Decoder(std::string_view json, std::string_view binary, bool binary_request,
          std::string_view model_name, InferHead* head, std::vector<Tensor>* inputs)
      : reader_(json),
        binary_(binary),
        binary_request_(binary_request),
        model_name_(model_name),
        head_(*head),
        inputs_(*inputs) {}

  std::optional<Rejection> Run() {
    head_.id.clear();
    head_.columns = false;
    head_.binary_data_output = false;
    size_t outputs = 0;
    bool has_inputs = false;
    if (reader_.Peek() != '{') {
      // A value of another kind; not JSON at all is told apart in Malformed.
      if (reader_.SkipValue() && reader_.Finish()) {
        Schema("model_attributes_type", {},
               "Input should be a valid dictionary or object to extract fields from");
      }
      return Outcome();
    }
    reader_.EnterObject();
    for (std::string_view key; !rejection_ && reader_.NextKey(&key);) {
      if (key == "id") {
        ReadId();
      } else if (key == "parameters") {
        ReadParameters({"parameters"}, [this](std::string_view name, const Json& value) {
          if (name == "content_type" && value.IsString()) head_.columns = value.AsString() == "pd";
          if (name == "binary_data_output") head_.binary_data_output = value.AsBool();
        });
      } else if (key == "inputs") {
        has_inputs = true;
        ReadInputs();
      } else if (key == "outputs") {
        ReadOutputs(&outputs);
      } else {
        reader_.SkipValue();
      }
    }
    if (!rejection_ && reader_.Finish()) {
      if (!has_inputs) Schema("missing", {"inputs"}, "Field required");
      if (inputs_.size() != used_) inputs_.resize(used_);
      if (!rejection_ && binary_request_ && binary_at_ != binary_.size()) {
        Invalid(fmt::format("{} bytes follow the last binary input", binary_.size() - binary_at_));
      }
    }
    head_.outputs.resize(outputs);
    return Outcome();
  }

 private:
  // A place in the request, as pydantic names it; made for every member, so it allocates nothing.
  class Location {
   public:
    Location(std::initializer_list<std::string_view> members) {
      for (std::string_view member : members) Append(member);
    }
    Location& Append(std::string_view member) {
      parts_[size_++] = {member, 0};
      return *this;
    }
    Location& Append(size_t index) {
      parts_[size_++] = {{}, index};
      return *this;
    }
    Json ToJson() const {
      Json location = Json::MakeArray({"body", "InferenceRequest"});
      for (size_t i = 0; i < size_; ++i) {
        location.Push(parts_[i].member.empty() ? Json(parts_[i].index) : Json(parts_[i].member));
      }
      return location;
    }
    std::string ToString() const {
      std::string path;
      for (size_t i = 0; i < size_; ++i) {
        if (i != 0) path += '.';
        path += parts_[i].member.empty() ? std::to_string(parts_[i].index)
                                         : std::string(parts_[i].member);
      }
      return path.empty() ? "body" : path;
    }

   private:
    struct Part {
      std::string_view member;
      size_t index = 0;  // where member is empty
    };
    std::array<Part, 6> parts_;
    size_t size_ = 0;
  };

  // The first thing wrong; malformed JSON where nothing else is.
  std::optional<Rejection> Outcome() {
    if (!rejection_ && !reader_.ok()) Malformed();
    return std::move(rejection_);
  }

  void Invalid(std::string message) {
    if (!rejection_) rejection_ = Rejection{Error(Code::kInvalidArgument, std::move(message)), ""};
  }
  void Invalid(const Error& error) { Invalid(error.message()); }

  void Malformed() {
    if (binary_request_)
      return Invalid("Unrecognized request format: " + reader_.error().message());
    Json item =
        Json::MakeObject({{"type", "json_invalid"},
                          {"loc", Json::MakeArray({"body", reader_.position()})},
                          {"msg", "JSON decode error"},
                          {"input", Json::MakeObject()},
                          {"ctx", Json::MakeObject({{"error", reader_.error().message()}})}});
    rejection_ =
        Rejection{reader_.error(), Json::MakeObject({{"detail", Json::MakeArray({item})}}).Dump()};
  }

  // A member breaks the schema. `input` is the text of the wrong value.
  void Schema(std::string_view type, const Location& where, std::string_view message,
              std::string_view input = "null") {
    if (rejection_) return;
    std::string text = fmt::format("{}: {}", where.ToString(), message);
    if (binary_request_) return Invalid("Unrecognized request format: " + text);
    // What the client sent is repeated, but not at any length.
    auto value = input.size() <= 256 ? Json::Parse(input) : Result<Json>(Json());
    Json item = Json::MakeObject({{"type", type},
                                  {"loc", where.ToJson()},
                                  {"msg", message},
                                  {"input", value ? std::move(*value) : Json()}});
    // KServe's handler takes an InferenceRequest or bytes, and FastAPI reports both attempts.
    Json not_bytes = Json::MakeObject({{"type", "bytes_type"},
                                       {"loc", Json::MakeArray({"body", "bytes"})},
                                       {"msg", "Input should be a valid bytes"},
                                       {"input", Json()}});
    rejection_ =
        Rejection{Error(Code::kInvalidArgument, text),
                  Json::MakeObject({{"detail", Json::MakeArray({item, not_bytes})}}).Dump()};
  }

  // Passes over a value of the wrong kind.
  void WrongKind(std::string_view type, const Location& where, std::string_view message) {
    std::string_view raw = "null";
    if (reader_.SkipValue(&raw)) Schema(type, where, message, raw);
  }

  bool ReadText(std::string* out, const Location& where) {
    if (reader_.Peek() == '"') return reader_.ReadString(out);
    WrongKind("string_type", where, "Input should be a valid string");
    return false;
  }

  void ReadId() {
    if (reader_.Peek() == 'n') {
      reader_.ReadNull();
    } else {
      ReadText(&head_.id, {"id"});
    }
  }

  // Calls found(name, value) for each parameter; values are numbers, booleans or strings.
  template <class Found>
  void ReadParameters(const Location& where, Found&& found) {
    if (reader_.Peek() == 'n') {
      reader_.ReadNull();
      return;
    }
    if (reader_.Peek() != '{') {
      return WrongKind("dict_type", where, "Input should be a valid dictionary");
    }
    reader_.EnterObject();
    for (std::string_view key; !rejection_ && reader_.NextKey(&key);) {
      std::string name(key);
      char next = reader_.Peek();
      if (next == '{' || next == '[' || next == 'n') {
        Location place = where;
        place.Append(name);
        return WrongKind("string_type", place, "Input should be a valid string");
      }
      if (next == '"') {
        std::string text;
        if (reader_.ReadString(&text)) found(name, Json(std::move(text)));
      } else if (next == 't' || next == 'f') {
        bool value = false;
        if (reader_.ReadBool(&value)) found(name, Json(value));
      } else {
        JsonReader::Number number;
        if (!reader_.ReadNumber(&number)) return;
        found(name, number.is_integer ? Json(number.integer) : Json(number.real));
      }
    }
  }

  void ReadInputs() {
    if (reader_.Peek() != '[') {
      return WrongKind("list_type", {"inputs"}, "Input should be a valid list");
    }
    used_ = 0;
    reader_.EnterArray();
    while (!rejection_ && reader_.NextElement()) {
      if (used_ == kMaxInputs) return Invalid("the request has too many inputs");
      if (used_ == inputs_.size()) inputs_.emplace_back();
      ReadInput(&inputs_[used_], used_);
      ++used_;
    }
  }

  Location Where(size_t index, std::string_view member) const {
    return Location({"inputs"}).Append(index).Append(member);
  }

  void ReadInput(Tensor* tensor, size_t index) {
    if (reader_.Peek() != '{') {
      return WrongKind("model_attributes_type", Location({"inputs"}).Append(index),
                       "Input should be a valid dictionary or object to extract fields from");
    }
    InputMembers members;
    reader_.EnterObject();
    for (std::string_view key; !rejection_ && reader_.NextKey(&key);) {
      // Data that was decoded has been checked against these two, and may not lose them again.
      if (members.decoded && (key == "shape" || key == "datatype")) {
        return Invalid(
            fmt::format("input '{}': its {} is given again after its data", tensor->name, key));
      }
      if (key == "name") {
        members.name = ReadText(&tensor->name, Where(index, "name"));
      } else if (key == "shape") {
        members.shape = ReadShape(tensor, index);
      } else if (key == "datatype") {
        ReadDatatype(tensor, index, &members);
      } else if (key == "parameters") {
        ReadParameters(Where(index, "parameters"), [&](std::string_view name, const Json& value) {
          if (name == "binary_data_size" && value.IsInt()) {
            members.binary_data_size = value.AsInt();
          }
        });
      } else if (key == "data" && reader_.Peek() != 'n') {
        ReadData(tensor, index, &members);
      } else {
        reader_.SkipValue();
      }
    }
    if (!rejection_ && reader_.ok()) FinishInput(tensor, index, members);
  }

  bool ReadShape(Tensor* tensor, size_t index) {
    if (reader_.Peek() != '[') {
      WrongKind("list_type", Where(index, "shape"), "Input should be a valid list");
      return false;
    }
    tensor->shape.clear();
    reader_.EnterArray();
    while (reader_.NextElement()) {
      char next = reader_.Peek();
      JsonReader::Number number;
      if (next == '"' || next == '{' || next == '[' || next == 't' || next == 'f' || next == 'n') {
        Location where = Where(index, "shape");
        where.Append(tensor->shape.size());
        WrongKind("int_type", where, "Input should be a valid integer");
        return false;
      }
      if (!reader_.ReadNumber(&number)) return false;
      if (!number.is_integer) {
        Location where = Where(index, "shape");
        where.Append(tensor->shape.size());
        Schema("int_from_float", where,
               "Input should be a valid integer, got a number with a fractional part");
        return false;
      }
      if (tensor->shape.size() == 64) {
        Invalid("a shape has more than 64 dimensions");
        return false;
      }
      tensor->shape.push_back(number.integer);
    }
    return reader_.ok();
  }

  void ReadDatatype(Tensor* tensor, size_t index, InputMembers* members) {
    if (!ReadText(&members->datatype_text, Where(index, "datatype"))) return;
    for (char& c : members->datatype_text) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    auto type = ParseDataType(members->datatype_text);
    if (!type)
      return Invalid(fmt::format("invalid datatype {} in the input", members->datatype_text));
    tensor->datatype = *type;
    members->datatype = true;
  }

  void ReadData(Tensor* tensor, size_t index, InputMembers* members) {
    if (reader_.Peek() != '[') {
      return WrongKind("list_type", Where(index, "data"), "Input should be a valid list");
    }
    bool ready = members->name && members->shape && members->datatype;
    if (!ready || tensor->datatype == DataType::kFp16) {
      reader_.SkipValue(&members->data);
      return;
    }
    members->decoded = true;
    if (auto status = ReadJsonData(reader_, tensor); !status) {
      // Text that is not JSON is reported as such, at its place in the body.
      Invalid(status.error());
    }
  }

  void FinishInput(Tensor* tensor, size_t index, const InputMembers& members) {
    for (auto [present, member] : {std::pair{members.name, "name"},
                                   {members.shape, "shape"},
                                   {members.datatype, "datatype"}}) {
      if (!present) return Schema("missing", Where(index, member), "Field required");
    }
    if (members.decoded) return;
    if (!members.data.empty()) {
      JsonReader list(members.data);
      if (tensor->datatype == DataType::kFp16) {
        bool empty = list.EnterArray() && !list.NextElement();
        if (!empty || binary_request_) {
          return Invalid(fmt::format(
              "{} FP16 data via JSON is not supported. Please use the binary data format for "
              "input {}",
              binary_request_ ? "Receiving" : "Sending", tensor->name));
        }
        if (auto status = ReadBinaryData("", tensor); !status) Invalid(status.error());
        return;
      }
      if (auto status = ReadJsonData(list, tensor); !status) Invalid(status.error());
      return;
    }
    if (!binary_request_) return Schema("missing", Where(index, "data"), "Field required");
    if (!members.binary_data_size) {
      return Invalid(fmt::format("'data' field is missing for input '{}' for model '{}'",
                                 tensor->name, model_name_));
    }
    size_t left = binary_.size() - binary_at_;
    if (*members.binary_data_size < 0 || static_cast<uint64_t>(*members.binary_data_size) > left) {
      return Invalid(
          fmt::format("input '{}' announces {} bytes of binary data, {} are left in the request",
                      tensor->name, *members.binary_data_size, left));
    }
    auto size = static_cast<size_t>(*members.binary_data_size);
    if (auto status = ReadBinaryData(binary_.substr(binary_at_, size), tensor); !status) {
      return Invalid(status.error());
    }
    binary_at_ += size;
  }

  void ReadOutputs(size_t* used) {
    if (reader_.Peek() == 'n') {
      reader_.ReadNull();
      return;
    }
    if (reader_.Peek() != '[') {
      return WrongKind("list_type", {"outputs"}, "Input should be a valid list");
    }
    *used = 0;
    reader_.EnterArray();
    while (!rejection_ && reader_.NextElement()) {
      if (*used == kMaxInputs) return Invalid("the request names too many outputs");
      if (*used == head_.outputs.size()) head_.outputs.emplace_back();
      RequestedOutput& output = head_.outputs[*used];
      output.binary_data = false;
      Location where = Location({"outputs"}).Append(*used);
      if (reader_.Peek() != '{') {
        return WrongKind("model_attributes_type", where,
                         "Input should be a valid dictionary or object to extract fields from");
      }
      bool named = false;
      reader_.EnterObject();
      for (std::string_view key; !rejection_ && reader_.NextKey(&key);) {
        if (key == "name") {
          named = ReadText(&output.name, Location(where).Append("name"));
        } else if (key == "parameters") {
          ReadParameters(Location(where).Append("parameters"),
                         [&](std::string_view name, const Json& value) {
                           if (name == "binary_data") output.binary_data = value.AsBool();
                         });
        } else {
          reader_.SkipValue();
        }
      }
      if (reader_.ok() && !named) {
        return Schema("missing", Location(where).Append("name"), "Field required");
      }
      ++*used;
    }
  }

  JsonReader reader_;
  std::string_view binary_;
  size_t binary_at_ = 0;
  bool binary_request_;
  std::string_view model_name_;
  InferHead& head_;
  std::vector<Tensor>& inputs_;
  size_t used_ = 0;
  std::optional<Rejection> rejection_;
};

}  // namespace

std::optional<Rejection> DecodeInferRequest(std::string_view body,
                                            std::optional<size_t> json_length,
                                            std::string_view model_name, InferHead* head,
                                            std::vector<Tensor>* inputs) {
  if (json_length && *json_length > body.size()) {
    return Rejection{Error(Code::kInvalidArgument,
                           fmt::format("inference-header-content-length is {}, the body has {} "
                                       "bytes",
                                       *json_length, body.size())),
                     ""};
  }
  size_t length = json_length.value_or(body.size());
  return Decoder(body.substr(0, length), body.substr(length), json_length.has_value(), model_name,
                 head, inputs)
      .Run();
}

}  // namespace kinglet::inference::v2
