#include "storage/xml.h"

#include <charconv>

namespace kinglet::storage {

namespace {

class Reader {
 public:
  Reader(std::string_view text, const XmlLimits& limits) : rest_(text), limits_(limits) {}

  Result<XmlElement> Document() {
    if (rest_.size() > limits_.max_bytes) return Bad("too large");
    if (rest_.starts_with("\xef\xbb\xbf")) rest_.remove_prefix(3);
    KINGLET_RETURN_IF_ERROR(SkipMisc());
    XmlElement root;
    KINGLET_RETURN_IF_ERROR(Element(root));
    KINGLET_RETURN_IF_ERROR(SkipMisc());
    if (!rest_.empty()) return Bad("text after the root element");
    return root;
  }

 private:
  static bool Space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
  static bool NameChar(char c) {
    auto u = static_cast<unsigned char>(c);
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ':' || u >= 0x80;
  }
  Unexpected Bad(std::string_view why) {
    return Fail(Code::kInvalidArgument, "malformed XML: {}", why);
  }
  void SkipSpace() {
    while (!rest_.empty() && Space(rest_.front())) rest_.remove_prefix(1);
  }
  Status SkipPast(std::string_view end) {
    size_t at = rest_.find(end);
    if (at == std::string_view::npos) return Bad("unended markup");
    rest_.remove_prefix(at + end.size());
    return {};
  }
  // White space, comments and processing instructions. Document types are refused.
  Status SkipMisc() {
    while (true) {
      SkipSpace();
      if (rest_.starts_with("<?")) {
        KINGLET_RETURN_IF_ERROR(SkipPast("?>"));
      } else if (rest_.starts_with("<!--")) {
        KINGLET_RETURN_IF_ERROR(SkipPast("-->"));
      } else if (rest_.starts_with("<!")) {
        return Bad("document types are not read");
      } else {
        return {};
      }
    }
  }
  std::string_view Name() {
    size_t n = 0;
    while (n < rest_.size() && NameChar(rest_[n])) ++n;
    std::string_view name = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return name;
  }

  Status AppendReference(std::string& out) {
    size_t end = rest_.substr(0, 12).find(';');
    if (end == std::string_view::npos) return Bad("unended reference");
    std::string_view name = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    if (name == "lt")
      out += '<';
    else if (name == "gt")
      out += '>';
    else if (name == "amp")
      out += '&';
    else if (name == "quot")
      out += '"';
    else if (name == "apos")
      out += '\'';
    else if (name.starts_with('#'))
      return AppendCodePoint(out, name.substr(1));
    else
      return Bad("unknown reference");
    return {};
  }

  Status AppendCodePoint(std::string& out, std::string_view digits) {
    int base = 10;
    if (digits.starts_with('x')) {
      base = 16;
      digits.remove_prefix(1);
    }
    uint32_t code = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, base);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() ||
        code > 0x10ffff || code == 0 || (code >= 0xd800 && code < 0xe000)) {
      return Bad("bad character reference");
    }
    auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xc0 | code >> 6);
      put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
      put(0xe0 | code >> 12);
      put(0x80 | (code >> 6 & 0x3f));
      put(0x80 | (code & 0x3f));
    } else {
      put(0xf0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3f));
      put(0x80 | (code >> 6 & 0x3f));
      put(0x80 | (code & 0x3f));
    }
    return {};
  }

  Status Attributes(bool* empty) {
    while (true) {
      SkipSpace();
      if (rest_.starts_with("/>")) {
        rest_.remove_prefix(2);
        *empty = true;
        return {};
      }
      if (rest_.starts_with('>')) {
        rest_.remove_prefix(1);
        *empty = false;
        return {};
      }
      if (Name().empty()) return Bad("bad attribute");
      SkipSpace();
      if (!rest_.starts_with('=')) return Bad("bad attribute");
      rest_.remove_prefix(1);
      SkipSpace();
      if (rest_.empty() || (rest_.front() != '"' && rest_.front() != '\'')) {
        return Bad("bad attribute");
      }
      char quote = rest_.front();
      rest_.remove_prefix(1);
      KINGLET_RETURN_IF_ERROR(SkipPast({&quote, 1}));
    }
  }

  Status Element(XmlElement& element) {
    if (++depth_ > limits_.max_depth) return Bad("nested too deep");
    if (++elements_ > limits_.max_elements) return Bad("too many elements");
    if (!rest_.starts_with('<')) return Bad("no element");
    rest_.remove_prefix(1);
    std::string_view full = Name();
    if (full.empty()) return Bad("bad element name");
    size_t colon = full.rfind(':');
    element.name = colon == std::string_view::npos ? full : full.substr(colon + 1);
    bool empty = false;
    KINGLET_RETURN_IF_ERROR(Attributes(&empty));
    while (!empty) {
      size_t markup = rest_.find_first_of("<&");
      if (markup == std::string_view::npos) return Bad("unended element");
      element.text.append(rest_.substr(0, markup));
      rest_.remove_prefix(markup);
      if (rest_.front() == '&') {
        KINGLET_RETURN_IF_ERROR(AppendReference(element.text));
      } else if (rest_.starts_with("</")) {
        rest_.remove_prefix(2);
        if (Name() != full) return Bad("an end tag does not match");
        SkipSpace();
        if (!rest_.starts_with('>')) return Bad("bad end tag");
        rest_.remove_prefix(1);
        break;
      } else if (rest_.starts_with("<![CDATA[")) {
        rest_.remove_prefix(9);
        size_t end = rest_.find("]]>");
        if (end == std::string_view::npos) return Bad("unended CDATA");
        element.text.append(rest_.substr(0, end));
        rest_.remove_prefix(end + 3);
      } else if (rest_.starts_with("<!--")) {
        KINGLET_RETURN_IF_ERROR(SkipPast("-->"));
      } else if (rest_.starts_with("<?")) {
        KINGLET_RETURN_IF_ERROR(SkipPast("?>"));
      } else {
        KINGLET_RETURN_IF_ERROR(Element(element.children.emplace_back()));
      }
    }
    --depth_;
    return {};
  }

  std::string_view rest_;
  const XmlLimits& limits_;
  size_t depth_ = 0, elements_ = 0;
};

}  // namespace

const XmlElement& XmlElement::Child(std::string_view child) const {
  static const XmlElement kNone;
  for (const XmlElement& element : children) {
    if (element.name == child) return element;
  }
  return kNone;
}

Result<XmlElement> ParseXml(std::string_view text, const XmlLimits& limits) {
  return Reader(text, limits).Document();
}

}  // namespace kinglet::storage
