# What the set-up says: one line a step on stderr, tools' output in the log, one clear message when it cannot go on.
# Expects: $steps (how many there will be), $log.

step_number=0
tool_failed=

step() { # step TITLE
  step_number=$((step_number + 1))
  title="mvmctl: [$step_number/$steps] $1"
  echo "$title" >&2
  echo "== $(date -u +%FT%TZ) $1" >>"$log"
}

note() { # note TEXT
  echo "mvmctl: $1" >&2
}

# Runs a command with its output in the log. A terminal sees the time pass; the command stays in the foreground, so
# that ^C and a password prompt reach it. Standard input belongs to the command the user asked for, not to tools.
logged() { # logged COMMAND [ARG…]
  ticker=
  if [ -t 2 ]; then
    (
      seconds=0
      while sleep 1; do
        seconds=$((seconds + 1))
        printf '\r  %s s ' "$seconds" >&2
      done
    ) &
    ticker=$!
  fi
  status=0
  "$@" </dev/null >>"$log" 2>&1 9>&- || status=$?
  if [ -n "$ticker" ]; then
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    printf '\r        \r' >&2
  fi
  [ "$status" = 0 ] || tool_failed=1
  return "$status"
}

fail() { # fail MESSAGE HINT: nothing more can be done here; 69 is "a dependency is unavailable"
  if [ -n "$tool_failed" ]; then
    echo "mvmctl: last lines of $log:" >&2
    tail -n 12 "$log" | sed 's/^/  /' >&2
  fi
  report VmDependencyError VM_DEPENDENCY setup "$1" "$2"
  exit 69
}

refuse_home() { # refuse_home WHY: as the command line and the libraries refuse it
  report VmConfigError VM_CONFIG setup "Cannot use the state root \"$home\": $1" \
    "Set MVM_HOME to a directory of your own that nobody else can write to"
  exit 64
}

report() { # report CLASS CODE OPERATION MESSAGE HINT: what the command line says of an error, and its document
  echo "mvmctl: $1 [$2]: $4" >&2
  echo "hint: $5" >&2
  [ -n "${MVM_SETUP_JSON:-}" ] || return 0
  boundary=backend
  [ "$2" != USAGE ] || boundary=client
  printf '{"schema_version":1,"error":{"name":"%s","code":"%s","message":"%s","hint":"%s",' \
    "$1" "$2" "$(json_text "$4")" "$(json_text "$5")"
  printf '"boundary":"%s","retry":"never","outcome":"not_started","operation":"%s",' "$boundary" "$(json_text "$3")"
  printf '"sandbox_id":null,"run_id":null,"audit_id":null,"context":{}}}\n'
}

json_text() {
  printf %s "$1" | tr '\001-\037' '[ *]' | sed 's/\\/\\\\/g; s/"/\\"/g'
}
