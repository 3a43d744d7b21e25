#include <gtest/gtest.h>

#include "base/yaml.h"
#include "kube/json_patch.h"
#include "kube/merge_patch.h"
#include "kube/strategic_merge.h"

namespace kinglet::kube {
namespace {

Json J(std::string_view text) {
  auto value = ParseYaml(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : Json();
}

struct Case {
  const char *name, *original, *patch, *want;  // want null: refused
};

// The examples of RFC 7386, appendix A.
TEST(MergePatchTest, RfcExamples) {
  const Case cases[] = {
      {"", "{a: b}", "{a: c}", "{a: c}"},
      {"", "{a: b}", "{b: c}", "{a: b, b: c}"},
      {"", "{a: b}", "{a: null}", "{}"},
      {"", "{a: b, b: c}", "{a: null}", "{b: c}"},
      {"", "{a: [b]}", "{a: c}", "{a: c}"},
      {"", "{a: c}", "{a: [b]}", "{a: [b]}"},
      {"", "{a: {b: c}}", "{a: {b: d, c: null}}", "{a: {b: d}}"},
      {"", "{a: [{b: c}]}", "{a: [1]}", "{a: [1]}"},
      {"", "[a, b]", "[c, d]", "[c, d]"},
      {"", "{e: null}", "{a: 1}", "{e: null, a: 1}"},
      {"", "[1, 2]", "{a: b, c: null}", "{a: b}"},
      {"", "{}", "{a: {bb: {ccc: null}}}", "{a: {bb: {}}}"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(ApplyMergePatch(J(c.original), J(c.patch)), J(c.want)) << c.original << c.patch;
  }
}

TEST(MergePatchTest, CreatesWhatItApplies) {
  Json from = J("{a: 1, b: {c: 2, d: [1]}, e: x}"), to = J("{a: 2, b: {d: [1, 2], f: {}}, g: y}");
  Json patch = CreateMergePatch(from, to);
  EXPECT_EQ(ApplyMergePatch(from, patch), to);
  EXPECT_EQ(CreateMergePatch(to, to), Json::MakeObject());
}

TEST(JsonPatch, Operations) {
  const Case cases[] = {
      {"add member", "{a: 1}", "[{op: add, path: /b, value: 2}]", "{a: 1, b: 2}"},
      {"add item", "{a: [1, 3]}", "[{op: add, path: /a/1, value: 2}]", "{a: [1, 2, 3]}"},
      {"append", "{a: [1]}", "[{op: add, path: /a/-, value: 2}]", "{a: [1, 2]}"},
      {"add past end", "{a: [1]}", "[{op: add, path: /a/3, value: 2}]", nullptr},
      {"add below missing", "{}", "[{op: add, path: /a/b, value: 1}]", nullptr},
      {"remove", "{a: 1, b: 2}", "[{op: remove, path: /a}]", "{b: 2}"},
      {"remove missing", "{a: 1}", "[{op: remove, path: /b}]", nullptr},
      {"remove item", "{a: [1, 2]}", "[{op: remove, path: /a/0}]", "{a: [2]}"},
      {"replace", "{a: 1}", "[{op: replace, path: /a, value: 2}]", "{a: 2}"},
      {"replace missing", "{a: 1}", "[{op: replace, path: /b, value: 2}]", nullptr},
      {"replace all", "{a: 1}", "[{op: replace, path: '', value: 2}]", "2"},
      {"move", "{a: {b: 1}, c: {}}", "[{op: move, from: /a/b, path: /c/d}]", "{a: {}, c: {d: 1}}"},
      {"move into itself", "{a: {}}", "[{op: move, from: /a, path: /a/b}]", nullptr},
      {"copy", "{a: 1}", "[{op: copy, from: /a, path: /b}]", "{a: 1, b: 1}"},
      {"test", "{a: [1]}", "[{op: test, path: /a, value: [1]}]", "{a: [1]}"},
      {"test fails", "{a: 1}", "[{op: test, path: /a, value: 2}]", nullptr},
      {"escapes", "{a/b: 1, m~n: 2}", "[{op: remove, path: /a~1b}, {op: remove, path: /m~0n}]",
       "{}"},
      {"leading zero", "{a: [1, 2]}", "[{op: remove, path: /a/00}]", nullptr},
      {"bad pointer", "{a: 1}", "[{op: remove, path: a}]", nullptr},
      {"bad escape", "{a~: 1}", "[{op: remove, path: /a~}]", nullptr},
      {"no value", "{a: 1}", "[{op: add, path: /b}]", nullptr},
      {"unknown", "{a: 1}", "[{op: frob, path: /b}]", nullptr},
      {"not a list", "{a: 1}", "{op: remove, path: /a}", nullptr},
  };
  for (const Case& c : cases) {
    auto got = ApplyJsonPatch(J(c.original), J(c.patch));
    EXPECT_EQ(got.has_value(), c.want != nullptr) << c.name;
    if (got && c.want) EXPECT_EQ(*got, J(c.want)) << c.name << got->Dump();
  }
}

TEST(JsonPatch, RefusesDoublingCopies) {
  Json patch = Json::MakeArray();
  for (int i = 0; i < 60; ++i) {
    patch.Push(J("{op: copy, from: /a, path: /a/-}"));
  }
  auto got =
      ApplyJsonPatch(Json::MakeObject({{"a", Json::MakeArray({std::string(100000, 'x')})}}), patch);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), Code::kResourceExhausted);
}

TEST(JsonPatch, DiffIsApplied) {
  const std::pair<const char*, const char*> cases[] = {
      {"{a: 1}", "{a: 1}"},
      {"{a: [1, 2, 3], b/c: {d: e}}", "{a: [1, 4], b/c: {f: g}, h: [1]}"},
      {"{a: [1]}", "{a: [1, {b: 2}, 3]}"},
      {"[1]", "{a: 1}"},
  };
  for (auto [from, to] : cases) {
    Json patch = CreateJsonPatch(J(from), J(to));
    EXPECT_EQ(*ApplyJsonPatch(J(from), patch), J(to)) << patch.Dump();
  }
  EXPECT_TRUE(CreateJsonPatch(J("{a: 1}"), J("{a: 1}")).empty());
}

TEST(StrategicMerge, LongListsTakeTimeInProportion) {
  constexpr int kItems = 10'000;
  Json original = Json::MakeObject(), patch = Json::MakeObject();
  for (int i = 0; i < kItems; ++i) {
    original.Ref("env").Push(Json::MakeObject({{"name", fmt::format("a{}", i)}}));
    patch.Ref("env").Push(Json::MakeObject({{"name", fmt::format("b{}", i)}}));
  }
  auto merged = ApplyStrategicMergePatch(original, patch);
  ASSERT_TRUE(merged);
  EXPECT_EQ((*merged)["env"].size(), size_t{2 * kItems});
}

TEST(StrategicMerge, Cases) {
  const Case cases[] = {
      {"containers merge by name", "{spec: {containers: [{name: a, image: x, args: [1]}]}}",
       "{spec: {containers: [{name: a, image: y}, {name: b}]}}",
       "{spec: {containers: [{name: a, image: y, args: [1]}, {name: b}]}}"},
      {"env by name, args atomic",
       "{containers: [{name: a, env: [{name: E, value: 1}], args: [1]}]}",
       "{containers: [{name: a, env: [{name: F, value: 2}], args: [2]}]}",
       "{containers: [{name: a, env: [{name: F, value: 2}, {name: E, value: 1}], args: [2]}]}"},
      {"delete an item", "{spec: {containers: [{name: a}, {name: b}]}}",
       "{spec: {containers: [{name: a, $patch: delete}]}}", "{spec: {containers: [{name: b}]}}"},
      {"replace a list", "{spec: {containers: [{name: a}, {name: b}]}}",
       "{spec: {containers: [{name: c}, {$patch: replace}]}}", "{spec: {containers: [{name: c}]}}"},
      {"replace an object", "{spec: {a: 1, b: 2}}", "{spec: {c: 3, $patch: replace}}",
       "{spec: {c: 3}}"},
      {"delete an object", "{spec: {a: {b: 1}, c: 2}}", "{spec: {a: {$patch: delete}}}",
       "{spec: {c: 2}}"},
      {"null deletes", "{a: 1, b: {c: 1}}", "{a: null, b: {c: null}}", "{b: {}}"},
      {"tolerations are atomic", "{spec: {tolerations: [{key: a}]}}",
       "{spec: {tolerations: [{key: b}]}}", "{spec: {tolerations: [{key: b}]}}"},
      {"ports by number and protocol",
       "{containers: [{name: a, ports: [{containerPort: 53, protocol: UDP, name: u}]}]}",
       "{containers: [{name: a, ports: [{containerPort: 53, name: t}]}]}",
       "{containers: [{name: a, ports: [{containerPort: 53, protocol: UDP, name: u}, "
       "{containerPort: 53, name: t}]}]}"},
      {"service ports by port", "{spec: {ports: [{port: 80, name: http}]}}",
       "{spec: {ports: [{port: 80, targetPort: 8080}]}}",
       "{spec: {ports: [{port: 80, name: http, targetPort: 8080}]}}"},
      {"volumes retain keys", "{spec: {volumes: [{name: v, emptyDir: {}}]}}",
       "{spec: {volumes: [{name: v, $retainKeys: [name, secret], secret: {secretName: s}}]}}",
       "{spec: {volumes: [{name: v, secret: {secretName: s}}]}}"},
      {"order of the patch", "{spec: {containers: [{name: a}, {name: b}, {name: c}]}}",
       "{spec: {$setElementOrder/containers: [{name: c}, {name: a}], containers: [{name: a, image: "
       "x}]}}",
       "{spec: {containers: [{name: b}, {name: c}, {name: a, image: x}]}}"},
      {"order alone", "{spec: {containers: [{name: a}, {name: b}]}}",
       "{spec: {$setElementOrder/containers: [{name: b}, {name: a}]}}",
       "{spec: {containers: [{name: b}, {name: a}]}}"},
      {"finalizers are a set", "{metadata: {finalizers: [a, b]}}",
       "{metadata: {finalizers: [c, b], $deleteFromPrimitiveList/finalizers: [a]}}",
       "{metadata: {finalizers: [c, b]}}"},
      {"conditions by type", "{status: {conditions: [{type: A, status: x}]}}",
       "{status: {conditions: [{type: B, status: y}]}}",
       "{status: {conditions: [{type: B, status: y}, {type: A, status: x}]}}"},
      {"new items come first, but after those that stood before a known one",
       "{containers: [{name: a, env: [{name: A}, {name: B}, {name: C}]}]}",
       "{containers: [{name: a, env: [{name: N}, {name: B, value: 1}, {name: M}]}]}",
       "{containers: [{name: a, env: [{name: N}, {name: A}, {name: B, value: 1}, {name: M}, "
       "{name: C}]}]}"},
      {"owners by uid", "{metadata: {ownerReferences: [{uid: u, name: a}]}}",
       "{metadata: {ownerReferences: [{uid: u, $patch: delete}]}}",
       "{metadata: {ownerReferences: []}}"},
      {"mounts by path", "{containers: [{name: a, volumeMounts: [{mountPath: /x, name: v}]}]}",
       "{containers: [{name: a, volumeMounts: [{mountPath: /x, readOnly: true}]}]}",
       "{containers: [{name: a, volumeMounts: [{mountPath: /x, name: v, readOnly: true}]}]}"},
      {"type change", "{a: [1]}", "{a: {b: 1}}", "{a: {b: 1}}"},
      {"no merge key", "{spec: {containers: []}}", "{spec: {containers: [{image: x}]}}", nullptr},
      {"unknown directive", "{}", "{$frob: 1}", nullptr},
      {"unknown $patch", "{}", "{$patch: frob}", nullptr},
      {"not an object", "{}", "[1]", nullptr},
      {"new list without directives", "{}", "{spec: {containers: [{name: a, $patch: delete}]}}",
       "{spec: {containers: []}}"},
  };
  for (const Case& c : cases) {
    auto got = ApplyStrategicMergePatch(J(c.original), J(c.patch));
    EXPECT_EQ(got.has_value(), c.want != nullptr) << c.name;
    if (got && c.want) EXPECT_EQ(*got, J(c.want)) << c.name << ": " << got->Dump();
  }
}

}  // namespace
}  // namespace kinglet::kube
