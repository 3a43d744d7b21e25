// A reader of small XML documents as stores send them (S3 and Azure listings, error bodies): one
// pass, bounded, no DTDs, no external entities, no namespaces resolved (prefixes are dropped).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kinglet::storage {

struct XmlElement {
  std::string name;
  std::string text;  // character data directly inside, entities replaced
  std::vector<XmlElement> children;

  // The first child of that name, or an empty element.
  const XmlElement& Child(std::string_view child) const;
  const std::string& Text(std::string_view child) const { return Child(child).text; }
};

struct XmlLimits {
  size_t max_bytes = size_t{16} << 20;
  size_t max_depth = 32;
  size_t max_elements = 200'000;
};

// The root element. kInvalidArgument with what is wrong.
Result<XmlElement> ParseXml(std::string_view text, const XmlLimits& limits = {});

}  // namespace kinglet::storage
