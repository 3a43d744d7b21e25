// kinglet completion
#include <ostream>

#include "cli/commands.h"

namespace kinglet::cli {
namespace {

// The commands that live outside this module.
constexpr std::string_view kLocalCommands = "up down serve pull version";

std::string CommandNames() {
  std::string out(kLocalCommands);
  for (const Command& command : Commands()) out += " " + std::string(command.name);
  return out;
}

constexpr std::string_view kTypes =
    "isvc inferenceservices servingruntimes clusterservingruntimes inferencegraphs trainedmodels "
    "pods deployments services events secrets configmaps nodes";

// Shells expand and run what they complete with (compgen -W runs "$(...)"), so of what a server
// sends only names without any of a shell's characters are offered.
constexpr std::string_view kNames = R"(sed -n 's|^[a-zA-Z0-9.-]*/\([a-zA-Z0-9][a-zA-Z0-9.:-]*\)$|\1|p')";

constexpr std::string_view kBash =
    R"sh(# kinglet completion for bash:  source <(kinglet completion bash)
_kinglet() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd=${COMP_WORDS[1]}
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "@COMMANDS@" -- "$cur"))
    return
  fi
  case "$prev" in
    -f|--filename|--kubeconfig) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    -o|--output) COMPREPLY=($(compgen -W "json yaml wide name" -- "$cur")); return ;;
  esac
  case "$cmd" in
    predict|logs|doctor|status)
      COMPREPLY=($(compgen -W "$(kinglet get isvc -o name 2>/dev/null | @NAMES@)" -- "$cur")) ;;
    get|delete)
      if [ "$COMP_CWORD" -eq 2 ]; then
        COMPREPLY=($(compgen -W "@TYPES@" -- "$cur"))
      else
        COMPREPLY=($(compgen -W "$(kinglet get "${COMP_WORDS[2]}" -o name 2>/dev/null | @NAMES@)" -- "$cur"))
      fi ;;
    completion) COMPREPLY=($(compgen -W "bash zsh fish" -- "$cur")) ;;
    serve|pull) COMPREPLY=($(compgen -f -- "$cur")) ;;
  esac
}
complete -o default -F _kinglet kinglet
)sh";

constexpr std::string_view kZsh =
    R"sh(#compdef kinglet
# kinglet completion for zsh:  source <(kinglet completion zsh)
_kinglet() {
  local -a names
  if (( CURRENT == 2 )); then
    compadd @COMMANDS@
    return
  fi
  case "$words[2]" in
    predict|logs|doctor|status)
      names=(${(f)"$(kinglet get isvc -o name 2>/dev/null | @NAMES@)"})
      compadd -a names ;;
    get|delete)
      if (( CURRENT == 3 )); then
        compadd @TYPES@
      else
        names=(${(f)"$(kinglet get "$words[3]" -o name 2>/dev/null | @NAMES@)"})
        compadd -a names
      fi ;;
    completion) compadd bash zsh fish ;;
    *) _files ;;
  esac
}
compdef _kinglet kinglet
)sh";

constexpr std::string_view kFish =
    R"sh(# kinglet completion for fish:  kinglet completion fish | source
complete -c kinglet -f -n __fish_use_subcommand -a "@COMMANDS@"
complete -c kinglet -f -n "__fish_seen_subcommand_from predict logs doctor status" -a "(kinglet get isvc -o name 2>/dev/null | string replace -f -r '^[a-zA-Z0-9.-]*/([a-zA-Z0-9][a-zA-Z0-9.:-]*)\$' '\$1')"
complete -c kinglet -f -n "__fish_seen_subcommand_from get delete" -a "@TYPES@"
complete -c kinglet -f -n "__fish_seen_subcommand_from completion" -a "bash zsh fish"
complete -c kinglet -n "__fish_seen_subcommand_from apply delete" -s f -l filename -r
complete -c kinglet -n "__fish_seen_subcommand_from get apply" -s o -l output -x -a "json yaml wide name"
)sh";

std::string Fill(std::string_view script) {
  std::string out(script);
  auto replace = [&](std::string_view mark, std::string_view value) {
    for (size_t at = 0; (at = out.find(mark, at)) != std::string::npos; at += value.size()) {
      out.replace(at, mark.size(), value);
    }
  };
  replace("@COMMANDS@", CommandNames());
  replace("@TYPES@", kTypes);
  replace("@NAMES@", kNames);
  return out;
}

}  // namespace

int Completion(Context& context, std::vector<std::string> arguments) {
  std::string shell = arguments.size() == 1 ? arguments[0] : "";
  if (shell == "bash") {
    context.out << Fill(kBash);
  } else if (shell == "zsh") {
    context.out << Fill(kZsh);
  } else if (shell == "fish") {
    context.out << Fill(kFish);
  } else {
    context.err << "usage: kinglet completion bash|zsh|fish\n";
    return shell == "--help" || shell == "-h" ? 0 : 2;
  }
  return 0;
}

}  // namespace kinglet::cli
