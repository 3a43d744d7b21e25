#include "control/localmodelnode/record.h"

namespace kinglet::control {

Json ToJson(const ModelRecord& record) {
  Json files = Json::MakeArray();
  for (const auto& file : record.files) {
    files.Push(Json::MakeObject({{"path", file.path},
                                 {"size", file.size},
                                 {"modified", file.modified},
                                 {"changed", file.changed},
                                 {"inode", file.inode},
                                 {"link", file.link},
                                 {"digest", file.digest}}));
  }
  return Json::MakeObject({{"uri", record.uri},
                           {"whole", record.whole},
                           {"files", std::move(files)},
                           {"damage", record.damage},
                           {"spentJob", record.spent_job},
                           {"attempts", record.attempts},
                           {"lastAttempt", record.last_attempt},
                           {"wholeSince", record.whole_since},
                           {"bytes", record.bytes},
                           {"lastUsed", record.last_used},
                           {"retry", record.retry}});
}

ModelRecord RecordFromJson(const Json& value) {
  ModelRecord record;
  record.uri = value["uri"].AsString();
  record.whole = value["whole"].AsBool();
  for (const Json& file : value["files"].AsArray()) {
    record.files.push_back({.path = file["path"].AsString(),
                            .size = file["size"].AsInt(),
                            .modified = file["modified"].AsInt(),
                            .changed = file["changed"].AsInt(),
                            .inode = file["inode"].AsInt(),
                            .link = file["link"].AsBool(),
                            .digest = file["digest"].AsString()});
  }
  record.damage = value["damage"].AsString();
  record.spent_job = value["spentJob"].AsString();
  record.attempts = static_cast<int>(value["attempts"].AsInt());
  record.last_attempt = value["lastAttempt"].AsInt();
  record.whole_since = value["wholeSince"].AsInt();
  record.bytes = value["bytes"].AsInt();
  record.last_used = value["lastUsed"].AsInt();
  record.retry = value["retry"].AsString();
  return record;
}

}  // namespace kinglet::control
