# shellcheck shell=bash
# Sourced by start-*.sh: daemons of a cluster whose pids and logs lie in DIR.
say() { echo "$*" >&2; }

run() { # name command...   (no-op when the recorded pid still runs)
  local n=$1; shift
  if [ -s "$DIR/pid/$n" ] && kill -0 "$(cat "$DIR/pid/$n")" 2>/dev/null; then say "$n already runs"; return; fi
  setsid nohup "$@" >"$DIR/log/$n.log" 2>&1 </dev/null &
  echo $! >"$DIR/pid/$n"
}

waitfor() { # seconds name command...
  local t=$1 n=$2; shift 2
  local end=$(( $(date +%s) + t ))
  until "$@" >/dev/null 2>&1; do
    kill -0 "$(cat "$DIR/pid/$n")" 2>/dev/null || { say "$n died:"; tail -5 "$DIR/log/$n.log" >&2; exit 1; }
    [ "$(date +%s)" -lt $end ] || { say "$n not ready in $t s"; tail -5 "$DIR/log/$n.log" >&2; exit 1; }
    sleep 0.2
  done
}
