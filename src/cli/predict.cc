// kinglet predict
#include <ostream>

#include "base/encoding.h"
#include "base/file.h"
#include "base/uri.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/session.h"
#include "kube/conditions.h"
#include "net/http/client.h"

namespace kinglet::cli {
namespace {

constexpr size_t kMaxInput = size_t{1} << 30;

struct Options {
  kube::ConfigOptions config;
  std::string data, url, address, model, protocol, output, timeout = "60s";
  std::vector<std::string> headers;
  bool raw = false, time = false, insecure = false;
};

Result<std::string> ReadInput(Context& context, const std::string& data) {
  if (data == "-") return context.read_stdin();
  if (data.starts_with('@')) return ReadFile(data.substr(1), kMaxInput);
  return data;
}

struct Call {
  std::string body;
  bool v2 = false;
};

// What the body is says which protocol it speaks; a bare list is V1's instances.
Result<Call> MakeCall(std::string input, const std::string& protocol) {
  auto parsed = Json::Parse(input);
  if (!parsed) return Unexpected(parsed.error().WithContext("the input is not JSON"));
  bool v2_body = parsed->Has("inputs") && !parsed->Has("instances");
  if (!protocol.empty() && protocol != "v1" && protocol != "v2") {
    return Fail(Code::kInvalidArgument, "--protocol takes v1 or v2");
  }
  if (protocol.empty() ? v2_body : protocol == "v2") return Call{std::move(input), true};
  if (parsed->IsArray()) return Call{Json::MakeObject({{"instances", *parsed}}).Dump(), false};
  if (protocol.empty() && !parsed->Has("instances") && !parsed->Has("inputs")) {
    return Fail(Code::kInvalidArgument,
                "the input has neither \"instances\" (V1) nor \"inputs\" (V2): give one of them, a "
                "list of rows, or --protocol");
  }
  return Call{std::move(input), false};
}

Result<std::string> ServiceUrl(Context& context, const std::string& name, const Options& options) {
  if (!options.url.empty()) return options.url;
  KINGLET_TRY(Session session, Open(context, options.config));
  KINGLET_TRY(Json service, session.client->Get(kube::kInferenceService, {session.ns, name}));
  const std::string& url = service["status"]["url"].AsString();
  if (url.empty()) {
    return Fail(Code::kFailedPrecondition,
                "the InferenceService {} has no URL yet: `kinglet doctor {}` says why", name, name);
  }
  if (!kube::IsConditionTrue(service, "Ready")) {
    context.err << "warning: " << name << " is not Ready; trying anyway\n";
  }
  return url;
}

Result<http::ClientRequest> MakeRequest(const std::string& url, const Call& call,
                                        const std::string& name, const Options& options) {
  KINGLET_TRY(Uri uri, Uri::Parse(url));
  while (uri.path.ends_with('/')) uri.path.pop_back();
  std::string model = UrlEncode(options.model.empty() ? name : options.model);
  uri.path += call.v2 ? "/v2/models/" + model + "/infer" : "/v1/models/" + model + ":predict";
  http::ClientRequest request;
  request.method = "POST";
  request.body = call.body;
  request.headers.Set("Content-Type", "application/json");
  for (const std::string& header : options.headers) {
    size_t colon = header.find(':');
    if (colon == std::string::npos) {
      return Fail(Code::kInvalidArgument, "--header takes NAME:VALUE, not \"{}\"", header);
    }
    std::string_view value = std::string_view(header).substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    request.headers.Add(header.substr(0, colon), value);
  }
  if (!options.address.empty()) {
    // Through a gateway whose name does not resolve here: its address, with the service's own host.
    request.headers.Set("Host", uri.Authority());
    KINGLET_TRY(Uri gateway, Uri::Parse(options.address.find("://") == std::string::npos
                                            ? "http://" + options.address
                                            : options.address));
    uri.scheme = gateway.scheme;
    uri.host = gateway.host;
    uri.port = gateway.port;
  }
  request.url = uri.ToString();
  KINGLET_TRY(Duration timeout, ParseDuration(options.timeout));
  request.deadline = Deadline::After(timeout);
  return request;
}

std::string Shape(const Json& output) {
  std::string out;
  for (const Json& size : output["shape"].AsArray()) {
    out += (out.empty() ? "" : "x") + std::to_string(size.AsInt());
  }
  return out;
}

void PrintAnswer(Context& context, const std::string& body, const Options& options) {
  auto parsed = Json::Parse(body);
  if (options.raw || !parsed) {
    context.out << DataText(context, body);
    if (!body.ends_with('\n')) context.out << "\n";
    return;
  }
  if (options.output == "json") {
    context.out << DataText(context, parsed->DumpPretty()) << "\n";
  } else if (const Json* predictions = parsed->Find("predictions");
             predictions && predictions->IsArray()) {
    for (const Json& row : predictions->AsArray()) {
      context.out << DataText(context, row.Dump()) << "\n";
    }
  } else if (const Json* outputs = parsed->Find("outputs"); outputs && outputs->IsArray()) {
    for (const Json& output : outputs->AsArray()) {
      std::string head = fmt::format("{} {} [{}]", output["name"].AsString(),
                                     output["datatype"].AsString(), Shape(output));
      context.out << Paint(EscapeControls(head), Colour::kDim, context.colour) << " "
                  << DataText(context, output["data"].Dump()) << "\n";
    }
  } else {
    context.out << DataText(context, parsed->DumpPretty()) << "\n";
  }
}

Error RefusalOf(const http::ClientResponse& response) {
  std::string reason = response.body.substr(0, 2000);
  if (auto parsed = Json::Parse(response.body)) {
    const std::string& text = (*parsed)["error"].AsString();
    if (!text.empty()) reason = text;
  }
  return Error(CodeFromHttpStatus(response.status),
               fmt::format("the model server answered {} {}: {}", response.status,
                           http::ReasonPhrase(response.status), reason));
}

}  // namespace

int Predict(Context& context, std::vector<std::string> arguments) {
  Options options;
  Flags flags("kinglet predict",
              "Asks a model and prints what it says: kinglet predict NAME -d '[[1, 2, 3, 4]]'.");
  options.config.AddTo(flags);
  flags.Add("data", &options.data,
            "JSON, @FILE, or - for standard input: V1, V2 or a list of rows");
  flags.Alias('d', "data");
  flags.Add("url", &options.url, "of the service, instead of asking the API server");
  flags.Add("address", &options.address,
            "HOST:PORT of the gateway, where the service's name does not resolve");
  flags.Add("model", &options.model, "model name, where it is not the service's");
  flags.Add("protocol", &options.protocol, "v1 or v2, instead of what the input looks like");
  flags.Add("header", &options.headers, "NAME:VALUE to send; repeatable");
  flags.Alias('H', "header");
  flags.Add("output", &options.output, "json: the whole answer");
  flags.Alias('o', "output");
  flags.Add("raw", &options.raw, "the answer's bytes as they came");
  flags.Add("time", &options.time, "print how long it took");
  flags.Add("timeout", &options.timeout, "how long to wait");
  flags.Add("insecure", &options.insecure, "do not check the server's certificate");
  std::vector<std::string> words;
  if (auto status = ParseArguments(context, flags, std::move(arguments), &words)) return *status;
  if (words.size() != 1 || options.data.empty()) {
    return Usage(context, "kinglet predict NAME -d JSON|@FILE|-");
  }
  auto input = ReadInput(context, options.data);
  if (!input) return FailWith(context, input.error());
  auto call = MakeCall(std::move(*input), options.protocol);
  if (!call) return FailWith(context, call.error());
  auto url = ServiceUrl(context, words[0], options);
  if (!url) return FailWith(context, url.error());
  auto request = MakeRequest(*url, *call, words[0], options);
  if (!request) return FailWith(context, request.error());
  request->stop = context.stop;

  auto client = http::Client::Make(
      {.insecure_skip_verify = options.insecure, .user_agent = "kinglet-predict"});
  auto started = std::chrono::steady_clock::now();
  auto response = client->Do(*request);
  auto took = std::chrono::steady_clock::now() - started;
  if (!response) {
    context.err << "error: " << EscapeControls(response.error().message(), Lines::kMany) << "\n"
                << "The service is asked at " << EscapeControls(request->url)
                << "; use --address HOST:PORT to go through a gateway or a port-forward.\n";
    return 1;
  }
  if (response->status >= 400) {
    Error refusal = RefusalOf(*response);
    context.err << "error: " << EscapeControls(refusal.message(), Lines::kMany) << "\n";
    return 1;
  }
  PrintAnswer(context, response->body, options);
  if (options.time || context.is_tty) {
    double milliseconds = std::chrono::duration<double, std::milli>(took).count();
    context.err << Paint(fmt::format("{:.1f} ms, {}", milliseconds, call->v2 ? "V2" : "V1"),
                         Colour::kDim, context.colour)
                << "\n";
  }
  return 0;
}

}  // namespace kinglet::cli
