// Reviews that differ from those of testdata/cases.yaml wherever the input says: each is answered,
// and what is changed is changed by a patch that fits.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "admission/admitter.h"
#include "admission/review.h"
#include "admission/testing.h"
#include "base/encoding.h"
#include "base/log.h"
#include "kube/fake_client.h"
#include "kube/json_patch.h"

namespace {

using namespace kinglet;

constexpr int kMaxEdits = 8;

// Never fails: when the input is at its end, all further bytes are 0.
struct Input {
  const uint8_t* data;
  size_t size;

  uint8_t Byte() { return size == 0 ? 0 : (--size, *data++); }
  size_t Below(size_t count) { return count == 0 ? 0 : (Byte() << 8 | Byte()) % count; }
  std::string Text() {
    std::string text;
    for (size_t length = Byte() % 64; length > 0 && size > 0; --length) {
      text += static_cast<char>(Byte());
    }
    return text;
  }
};

// A case's cluster, and the webhooks that ask it.
struct Case {
  explicit Case(const Json& c)
      : path(c["path"].AsString()), object(c["object"]), admitter(client, "kserve") {
    if (!admission::MakeCluster(KINGLET_SOURCE_DIR, c["config"], c["cluster"], client)) abort();
  }

  std::string path;
  Json object;
  kube::FakeClient client;
  admission::Admitter admitter;
};

const std::vector<std::unique_ptr<Case>>& Cases() {
  static const auto cases = [] {
    ConfigureLog(LogLevel::kError, LogFormat::kText);
    std::vector<std::unique_ptr<Case>> out;
    auto table = admission::ReadYaml(KINGLET_SOURCE_DIR "/src/admission/testdata/cases.yaml");
    for (const Json& c : table->AsArray()) out.push_back(std::make_unique<Case>(c));
    return out;
  }();
  return cases;
}

void Collect(Json& at, std::vector<Json*>& out) {
  out.push_back(&at);
  if (at.IsArray()) {
    for (Json& item : at.MutableArray()) Collect(item, out);
  } else if (at.IsObject()) {
    for (auto& [key, member] : at.MutableObject()) Collect(member, out);
  }
}

Json& AnyOf(Json& document, Input& input) {
  std::vector<Json*> places;
  Collect(document, places);
  return *places[input.Below(places.size())];
}

void Edit(Json& object, Input& input) {
  Json& place = AnyOf(object, input);
  switch (input.Byte() % 9) {
    case 0:
      place = Json();
      break;
    case 1:
      place = input.Byte() % 2 == 0;
      break;
    case 2:
      place = static_cast<int64_t>(static_cast<int8_t>(input.Byte()));
      break;
    case 3:
      place = static_cast<int64_t>(input.Byte()) << (input.Byte() % 57);
      break;
    case 4:
      place = input.Text();
      break;
    case 5:
      place = Json::MakeArray({Json(place), input.Text()});
      break;
    case 6:
      place = Json::MakeObject({{input.Text(), Json(place)}});
      break;
    case 7: {  // what another case has somewhere
      Json other = Cases()[input.Below(Cases().size())]->object;
      place = Json(AnyOf(other, input));
      break;
    }
    case 8:
      if (place.IsObject()) place.Set(input.Text(), input.Text());
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input{data, size};
  const Case& chosen = *Cases()[input.Below(Cases().size())];
  Json object = chosen.object;
  const bool updates = input.Byte() % 2 == 0;
  for (int edits = 0; edits < kMaxEdits && input.size > 0; ++edits) Edit(object, input);
  const Json review = admission::MakeReview(chosen.path, updates ? "UPDATE" : "CREATE", object,
                                            updates ? chosen.object : Json());
  auto answer = AnswerReview(chosen.admitter, chosen.path, review);
  if (!answer || (*answer)["response"]["uid"].AsString() != "u") abort();
  const std::string& patch = (*answer)["response"]["patch"].AsString();
  if (patch.empty()) return 0;
  auto operations = Json::Parse(*Base64Decode(patch));
  if (!operations || !kube::ApplyJsonPatch(object, *operations)) abort();
  return 0;
}
