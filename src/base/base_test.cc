#include <gtest/gtest.h>

#include <cmath>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/error.h"
#include "base/file.h"
#include "base/flags.h"
#include "base/json.h"
#include "base/json_filter.h"
#include "base/metrics.h"
#include "base/uri.h"
#include "base/yaml.h"

namespace kinglet {
namespace {

TEST(Error, EveryCodeHasARow) {
  for (int i = 0; i <= 16; ++i) {
    Code code = static_cast<Code>(i);
    EXPECT_FALSE(CodeName(code).empty());
    EXPECT_GE(HttpStatus(code), 200);
    if (code != Code::kOk) EXPECT_FALSE(KubernetesReason(code).empty()) << i;
  }
  EXPECT_EQ(CodeFromHttpStatus(404), Code::kNotFound);
  EXPECT_EQ(CodeFromHttpStatus(599), Code::kInternal);
}

TEST(Json, RoundTrip) {
  for (std::string text :
       {"null", "true", "0", "-12", "9223372036854775807", "1.5", "\"a\\\"b\\n\"", "[]",
        "[1,[2,{}]]", "{\"a\":{\"b\":[null]},\"c\":\"\"}"}) {
    auto value = Json::Parse(text);
    ASSERT_TRUE(value) << text;
    EXPECT_EQ(value->Dump(), text);
    EXPECT_EQ(*Json::Parse(value->DumpPretty()), *value);
  }
}

TEST(Json, RefusesBadInput) {
  for (std::string text : {"", "{", "[1,]", "nul", "{\"a\" 1}", "\"\\x\"", "1 2", "\xff"}) {
    EXPECT_FALSE(Json::Parse(text)) << text;
  }
  std::string deep(100'000, '[');
  EXPECT_FALSE(Json::Parse(deep));
  EXPECT_FALSE(Json::Parse("[1]", {.max_bytes = 2}));
}

TEST(Json, RefusesMoreValuesThanAllowed) {
  EXPECT_TRUE(Json::Parse(R"({"a": [1, 2]})", {.max_values = 5}));
  EXPECT_EQ(Json::Parse(R"({"a": [1, 2]})", {.max_values = 4}).error().code(),
            Code::kResourceExhausted);
  // What stands in strings is no value.
  EXPECT_TRUE(Json::Parse(R"(["[[,,\",{{::"])", {.max_values = 2}));
}

TEST(Json, LookupNeverInserts) {
  const Json value = Json::MakeObject({{"a", Json::MakeArray({1, "x"})}});
  EXPECT_EQ(value["a"][1].AsString(), "x");
  EXPECT_TRUE(value["b"]["c"][7].IsNull());
  EXPECT_TRUE(value.At({"a", "b"}).IsNull());
  Json copy = value;
  copy.Path({"n", "m"}) = 3;
  EXPECT_EQ(copy.At({"n", "m"}).AsInt(), 3);
  EXPECT_FALSE(value.Has("n"));
  EXPECT_EQ(Json(1), Json(1.0));
}

TEST(Json, ParsesWithoutWhatIsNotWanted) {
  auto parsed = ParseJsonWithout(
      R"({"metadata":{"name":"a","skip":[1],"z":1},"skip":2,"items":[{"metadata":{"skip":{}}}],
          "data":{"skip":3},"z":1,"b":2,"z":3})",
      "metadata", "skip");
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(
      parsed->Dump(),
      R"({"b":2,"data":{"skip":3},"items":[{"metadata":{}}],"metadata":{"name":"a","z":1},"skip":2,"z":3})");
  EXPECT_FALSE(ParseJsonWithout(R"({"metadata":{"skip":[1,}})", "metadata", "skip"));
}

TEST(Json, WhatIsWrittenReadsBack) {
  for (const char* text :
       {"18446744073709551615", "18446744073709551616.0", "-1e19", "1e300", "9223372036854775808",
        "-9223372036854775808", "9.3e18", "123456789.5"}) {
    const auto value = Json::Parse(text);
    ASSERT_TRUE(value) << text;
    const auto again = Json::Parse(value->Dump());
    ASSERT_TRUE(again) << text << " is written as " << value->Dump();
    EXPECT_EQ(*again, *value);
  }
}

TEST(Yaml, CoreSchema) {
  auto value = ParseYaml("a: 1\nb: '1'\nc: yes\nd: true\ne: 1.5\nf: ~\ng: 0x10\nh: 1e3\ni: 010\n");
  ASSERT_TRUE(value) << value.error().message();
  EXPECT_TRUE((*value)["a"].IsInt());
  EXPECT_EQ((*value)["b"].AsString(), "1");
  EXPECT_EQ((*value)["c"].AsString(), "yes");
  EXPECT_TRUE((*value)["d"].AsBool());
  EXPECT_EQ((*value)["e"].AsDouble(), 1.5);
  EXPECT_TRUE((*value)["f"].IsNull());
  EXPECT_EQ((*value)["g"].AsInt(), 16);
  EXPECT_EQ((*value)["h"].AsDouble(), 1000);
  EXPECT_EQ((*value)["i"].AsInt(), 10);
}

TEST(Yaml, RoundTrip) {
  Json value = Json::MakeObject(
      {{"text", "a: b"},
       {"lines", "one\n two\n"},
       {"yes", "yes"},
       {"number", "12"},
       {"date", "2026-01-01"},
       {"list",
        Json::MakeArray({1, Json::MakeObject({{"x", 1}, {"y", 2}}), Json::MakeArray({Json()})})},
       {"empty", Json::MakeObject()},
       {"none", Json::MakeArray()},
       {"", "-"},
       {"quote", "\"'"}});
  auto again = ParseYaml(DumpYaml(value));
  ASSERT_TRUE(again) << again.error().message() << "\n" << DumpYaml(value);
  EXPECT_EQ(*again, value) << DumpYaml(value);
}

TEST(Yaml, RefusesBadInput) {
  EXPECT_FALSE(ParseYaml("a: [1"));
  EXPECT_FALSE(ParseYaml("a: 1\na: 2\n"));
  EXPECT_FALSE(ParseYaml("a: 1\n---\nb: 2\n"));
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    std::string p = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + p;
    for (int k = 0; k < 9; ++k) bomb += "," + p;
    bomb += "]\n";
  }
  EXPECT_FALSE(ParseYaml(bomb));
}

TEST(Flags, DashesAndUnderscores) {
  std::string name = "model";
  int64_t port = 8080;
  bool grpc = true;
  std::vector<std::string> list;
  Flags flags("t", "A test.");
  flags.Add("model-name", &name, "");
  flags.Add("http-port", &port, "");
  flags.Add("enable-grpc", &grpc, "");
  flags.Add("item", &list, "");
  flags.Alias('n', "model-name");
  auto rest = flags.Parse({"--model_name=a", "-http-port", "1", "--enable_grpc", "no", "--item=1",
                           "--item", "2", "x", "--", "--y"});
  ASSERT_TRUE(rest) << rest.error().message();
  EXPECT_EQ(name, "a");
  EXPECT_EQ(port, 1);
  EXPECT_FALSE(grpc);
  EXPECT_EQ(list, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(*rest, (std::vector<std::string>{"x", "--y"}));
  auto bad = flags.Parse({"--model-nam", "x"});
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message().find("did you mean --model-name?"), std::string::npos);
  EXPECT_FALSE(flags.Parse({"--http-port=x"}));
  EXPECT_TRUE(flags.Parse({"-n", "z"}));
  EXPECT_EQ(name, "z");
}

TEST(Clock, Times) {
  auto time = ParseRfc3339("2026-11-22T10:41:39Z");
  ASSERT_TRUE(time);
  EXPECT_EQ(FormatRfc3339(*time), "2026-11-22T10:41:39Z");
  EXPECT_EQ(FormatRfc3339Micro(*ParseRfc3339("2026-11-22T11:41:39.25+01:00")),
            "2026-11-22T10:41:39.250000Z");
  // Later than a clock can say: as late as it can.
  EXPECT_GT(*ParseRfc3339("2999-01-01T00:00:00Z"), *ParseRfc3339("2261-01-01T00:00:00Z"));
  EXPECT_FALSE(ParseRfc3339("2026-11-22"));
  EXPECT_EQ(*ParseDuration("1h30m"), std::chrono::minutes(90));
  EXPECT_EQ(*ParseDuration("1.5s"), std::chrono::milliseconds(1500));
  EXPECT_EQ(*ParseDuration("250ms"), std::chrono::milliseconds(250));
  EXPECT_FALSE(ParseDuration("5"));
  EXPECT_EQ(HumanDuration(std::chrono::seconds(252)), "4m12s");
}

TEST(Encoding, KnownAnswers) {
  EXPECT_EQ(Base64Encode("foobar"), "Zm9vYmFy");
  EXPECT_EQ(Base64Encode("foob"), "Zm9vYg==");
  EXPECT_EQ(*Base64Decode("Zm9vYg"), "foob");
  EXPECT_FALSE(Base64Decode("a"));
  EXPECT_EQ(HexEncode(Sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(UrlEncode("a b/c"), "a%20b%2Fc");
  EXPECT_EQ(*UrlDecode("a%20b"), "a b");
  EXPECT_FALSE(UrlDecode("%2"));
  EXPECT_FALSE(UrlDecode("%zz"));
  EXPECT_EQ(RandomUuid().size(), 36u);
}

TEST(Uri, Origin) {
  EXPECT_EQ(Uri::Parse("https://a:443/x")->Origin(), "https://a");
  EXPECT_EQ(Uri::Parse("https://u:p@A/x?y")->Origin(), "https://a");
  EXPECT_EQ(Uri::Parse("http://a:443/")->Origin(), "http://a:443");
  EXPECT_EQ(Uri::Parse("http://[::1]:80/")->Origin(), "http://[::1]");
}

TEST(Uri, Redact) {
  const std::pair<const char*, const char*> rows[] = {
      {"s3://bucket/a/b", "s3://bucket/a/b"},
      {"https://user:pw@host:1/a@b", "https://***@host:1/a@b"},
      {"https://token@host/r.git", "https://***@host/r.git"},
      {"ftp://u:p@w@host", "ftp://***@host"},
      {"u:p@host/x", "***@host/x"},
      {"http://host?u@x", "http://host?***"},
      {"https://a/c?sig=x%3D&sv=1&flag", "https://a/c?sig=***&sv=***&***"},
      {"https://a/c?sig=&b=1", "https://a/c?sig=&b=***"},
      {"https://a/c?a=1?b=2#t", "https://a/c?a=***?b=***#***"},
      {"oci://image@sha256:12", "oci://image@sha256:12"},
      {"oci://u:p@reg/image@sha256:12", "oci://***@reg/image@sha256:12"},
      {"", ""},
      {"?", "?"},
  };
  for (const auto& [text, redacted] : rows) EXPECT_EQ(RedactUri(text), redacted);
  EXPECT_EQ(Uri::Parse("http://u:secret@h:port/").error().message().find("secret"),
            std::string::npos);
}

TEST(Uri, Parse) {
  auto uri = Uri::Parse("S3://User@Host:9000/a/b?x=1#f");
  ASSERT_TRUE(uri);
  EXPECT_EQ(uri->scheme, "s3");
  EXPECT_EQ(uri->host, "host");
  EXPECT_EQ(uri->port, 9000);
  EXPECT_EQ(uri->path, "/a/b");
  EXPECT_EQ(Uri::Parse("http://[::1]:80/")->Authority(), "[::1]:80");
  for (std::string bad :
       {"", "a", "://x", "http://h:0/", "http://h:99999/", "http://[::1", "a\n://b"}) {
    EXPECT_FALSE(Uri::Parse(bad)) << bad;
  }
}

TEST(File, AtomicWrite) {
  std::string path = testing::TempDir() + "/kinglet-file-test";
  ASSERT_TRUE(WriteFileAtomic(path, "one"));
  ASSERT_TRUE(WriteFileAtomic(path, "two"));
  EXPECT_EQ(*ReadFile(path), "two");
  EXPECT_EQ(ReadFile(path, 2).error().code(), Code::kResourceExhausted);
  EXPECT_EQ(ReadFile(path + ".none").error().code(), Code::kNotFound);
  EXPECT_FALSE(WriteFileAtomic(path + "/x", "y"));
}

TEST(Metrics, Exposition) {
  MetricsRegistry registry;
  registry.GetCounter("c_total", "A counter.", {{"l", "a\"b"}}).Add(2);
  registry.GetHistogram("h", "A histogram.", {}, {1, 2}).Observe(1.5);
  std::string text = registry.Expose();
  EXPECT_NE(text.find("c_total{l=\"a\\\"b\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("h_bucket{le=\"1\"} 0\nh_bucket{le=\"2\"} 1\nh_bucket{le=\"+Inf\"} 1\n"
                      "h_sum 1.5\nh_count 1\n"),
            std::string::npos);
  EXPECT_NE(text.find("process_resident_memory_bytes "), std::string::npos);
}

}  // namespace
}  // namespace kinglet
