// The part of Go's text/template that KServe's placeholders use: text with {{ .Name }},
// {{.Labels.modelClass}}, {{ index .Annotations "a/b" }} and the trim markers {{- and -}}.
// https://pkg.go.dev/text/template
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace kinglet::control {

// How Go's text/template writes a key that a map lacks; its html/template leaves it out.
constexpr std::string_view kNoValue = "<no value>";

// More than an API server stores in one object.
constexpr size_t kMaxRenderedBytes = 2 << 20;

// `dot` is an object whose members are the fields. A field that is not there is an error; a key
// missing in a map below it is written as `missing`. kResourceExhausted when the result would be
// longer than `max_bytes`: a text of many placeholders repeats a long annotation as often.
Result<std::string> RenderTemplate(std::string_view text, const Json& dot,
                                   std::string_view missing = kNoValue,
                                   size_t max_bytes = kMaxRenderedBytes);

// What an object's metadata looks like to a template: Name, Namespace, Labels, Annotations, ...
Json TemplateMetadata(const Json& metadata);

}  // namespace kinglet::control
