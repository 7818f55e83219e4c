#!/usr/bin/env bash
# What the tests of the programs, tool_…_test, have in common; each of them sources this file first.
#
# tool_…_test BIN CASE: runs the programs in BIN as a user would, and checks what they say and how they end.
# tool_…_test --list names the cases: its functions that are called case_…. 77 means skipped.
set -euo pipefail

if [[ ${1:-} == --list ]]; then
  sed -nE 's/^case_([a-z_]+)\(\).*/\1/p' "$0"
  exit
fi
source_dir=$(cd "$(dirname "$0")/.." && pwd)
bin=$1
chosen_case=${2:-}
eddy=$bin/eddy
dir=$(mktemp -d)
pids=()

clean_up() {
  local pid
  for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
  rm -rf "$dir"
}
trap clean_up EXIT

fail() {
  echo "FAILED: $*" >&2
  tail -n 5 "$dir"/* >&2 2>/dev/null || true
  exit 1
}
skip() {
  echo "skipped: $*"
  exit 77
}

# wait_until WHAT COMMAND…: until the command succeeds; only a failure reaches the deadline.
wait_until() {
  local what=$1 deadline=$((SECONDS + 30))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || fail "$what: not within 30 s"
    sleep 0.01
  done
}

backends() { "$eddy" probe --json | jq -r '.backends[]'; }

# serve COMMAND…: starts a server that says where it listens, and sets server, port and address. Its input
# is $input.
input=/dev/null
serve() {
  : >"$dir/server.err"
  "$@" <"$input" >"$dir/server.out" 2>"$dir/server.err" &
  server=$!
  pids+=("$server")
  wait_until "$* listens" grep -q 'listening on' "$dir/server.err"
  port=$(sed -nE 's/.*listening on .*:([0-9]+).*/\1/p' "$dir/server.err" | head -1)
  address=127.0.0.1:$port
}
serve_echo() { serve "$eddy" echo --listen 127.0.0.1:0 --stats "$@"; }
# serve_unix NAME [FLAG…]: on a Unix socket, $target.
serve_unix() {
  target=unix:$1
  serve "$eddy" echo --listen "$target" --stats "${@:2}"
}
# socat as a server that is no echo server: odd_server ADDRESS [FLAG…].
serve_odd() { serve socat -d -d "${@:2}" TCP-LISTEN:0,bind=127.0.0.1,fork "$1"; }

# ends STATUS PID: the process ends with that status.
ends() {
  local status=0
  wait "$2" || status=$?
  [[ $status -eq $1 ]] || fail "exit status $status, not $1"
}
stop_echo() {
  kill -TERM "$server"
  ends 0 "$server"
  jq -e . "$dir/server.out" >"$dir/stats.json" || fail 'the counters are no JSON'
}
# $port and $address: a port that was free a moment ago.
free_port() {
  serve_echo
  stop_echo
}

# refuses STATUS PATTERN COMMAND…: it ends with that status, one line on stderr that matches, and nothing on
# stdout, but for wrong answers (5): they leave a report there that counts them.
refuses() {
  local expected=$1 pattern=$2 status=0
  shift 2
  "$@" >"$dir/out" 2>"$dir/err" || status=$?
  [[ $status -eq $expected ]] || fail "$*: exit status $status, not $expected"
  [[ $(wc -l <"$dir/err") -eq 1 ]] || fail "$*: not one line on stderr"
  grep -qE "$pattern" "$dir/err" || fail "$*: no '$pattern' on stderr"
  if [[ $expected -eq 5 ]]; then
    grep -qE '^  requests .* [0-9,]+ wrong' "$dir/out" || fail "$*: no report of its wrong answers"
  else
    [[ ! -s $dir/out ]] || fail "$*: something on stdout"
  fi
}

# load ARGUMENT…: eddy load against the server, in $dir/load.json; succeeds, and accounts for every request.
load() {
  load_target "tcp://$address" --warmup 50ms "$@"
}
# 6 to 8 say what the figures are worth: the client shares the machine with the server and other tests, for a moment.
load_target() {
  local status=0
  "$eddy" load "$@" --json >"$dir/load.json" || status=$?
  [[ $status -eq 0 || $status -ge 6 && $status -le 8 ]] || fail "eddy load $*: exit status $status"
  jq -e '.requests | .answered > 0 and .scheduled == .answered + .wrong + .lost + .abandoned + .timed_out +
    .unanswered + .unsent' "$dir/load.json" >/dev/null || fail "eddy load $*: requests are not accounted for"
}

descriptors() { find "/proc/$server/fd" -mindepth 1 | wc -l; }
has_descriptors() { [[ $(descriptors) -eq $1 ]]; }
# Nothing is on its way to the server, and then nothing waits to be read by it.
has_read_all() {
  [[ $(ss -Htn "dport = :$port" | awk '{ n += $3 } END { print n + 0 }') -eq 0 ]] &&
    [[ $(ss -Htn "sport = :$port" | awk '{ n += $2 } END { print n + 0 }') -eq 0 ]]
}
# The peers do not take what the server sends.
is_stuck() { [[ $(ss -Htn "sport = :$port" | awk '{ n += $3 } END { print n + 0 }') -gt 100000 ]]; }
has_worked() { [[ $(awk '{ print $1 }' "/proc/$server/schedstat") -gt 50000000 ]]; }

# Last in each file.
run_case() {
  declare -F "case_$chosen_case" >/dev/null || fail "there is no case $chosen_case"
  "case_$chosen_case"
}
