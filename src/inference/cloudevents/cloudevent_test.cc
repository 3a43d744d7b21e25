#include "inference/cloudevents/cloudevent.h"

#include <gtest/gtest.h>

#include <map>

namespace kinglet::inference::cloudevents {
namespace {

const std::vector<std::pair<std::string, std::string>> kHeaders = {
    {"Content-Type", "application/json"},
    {"ce-specversion", "1.0"},
    {"CE-ID", "36077800"},
    {"ce-source", "example.com"},
    {"ce-type", "my.request"},
    {"ce-datacontenttype", "application/json"},
    {"ce-extra", "x"}};

TEST(FromHeaders, NeedsAllRequiredAttributes) {
  auto attributes = FromHeaders(kHeaders);
  ASSERT_TRUE(attributes);
  EXPECT_TRUE(CheckVersion(*attributes));
  EXPECT_EQ(attributes->size(), 6u);
  auto headers = kHeaders;
  headers.erase(headers.begin() + 2);
  EXPECT_FALSE(FromHeaders(headers));
  headers = kHeaders;
  headers[1].second = "9";
  EXPECT_EQ(CheckVersion(*FromHeaders(headers)).error().message(),
            "Cloud Event Exceptions: Found invalid specversion 9");
}

TEST(ResponseAttributes, MergeTakesTheRequestsOver) {
  auto as_map = [](const Attributes& a) {
    return std::map<std::string, std::string>(a.begin(), a.end());
  };
  Attributes request = *FromHeaders(kHeaders);
  auto plain = as_map(ResponseAttributes({}, "iris", request));
  EXPECT_EQ(plain["source"], "io.kserve.inference.iris");
  EXPECT_EQ(plain["type"], "io.kserve.inference.response");
  EXPECT_EQ(plain["specversion"], "1.0");
  EXPECT_FALSE(plain.contains("extra"));
  EXPECT_EQ(plain["id"].size(), 36u);
  Options options{.type = "t", .source = "s", .merge = true};
  auto merged = as_map(ResponseAttributes(options, "iris", request));
  EXPECT_EQ(merged["source"], "s");
  EXPECT_EQ(merged["type"], "t");
  EXPECT_EQ(merged["extra"], "x");
  EXPECT_NE(merged["id"], "36077800");
  EXPECT_FALSE(merged.contains("datacontenttype"));
}

TEST(Structured, RoundTrip) {
  auto event = ParseStructured(
      R"({"time":"t","type":"a","source":"b","id":"c","specversion":"1.0","data":{"instances":[1]},"k":"v"})");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->data, R"({"instances":[1]})");
  std::string text =
      StructuredResponse({.merge = true}, "iris", event->attributes, R"({"predictions":[2]})");
  auto response = Json::Parse(text);
  ASSERT_TRUE(response) << text;
  EXPECT_EQ((*response)["k"].AsString(), "v");
  EXPECT_NE((*response)["id"].AsString(), "c");
  EXPECT_EQ(response->At({"data", "predictions"}).Dump(), "[2]");
  EXPECT_FALSE(ParseStructured(R"({"instances":[1]})"));
  EXPECT_FALSE(ParseStructured("[]"));
  EXPECT_FALSE(ParseStructured("{"));
}

}  // namespace
}  // namespace kinglet::inference::cloudevents
