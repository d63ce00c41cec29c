# The guest agent: one static binary, which Debian's own Rust can build.

agent=$root/guest/target/x86_64-unknown-linux-gnu/release/mvm-agent

guest_agent() {
  step "guest agent"
  if [ -f "$agent" ] && ! agent_is_stale; then return 0; fi
  # A release has brought one to the state root.
  [ -z "${MVM_SETUP_IMAGE:-}" ] || return 0
  rust=$(rust_path)
  [ -n "$rust" ] || fail "Cannot compile the guest agent: no cargo runs" "See why with: cargo --version; for rustup's: rustup default stable"
  note "compiling the guest agent with $(PATH=$rust && cargo --version)"
  # From within: cargo takes the target and the link flags from guest/.cargo.
  logged sh -c 'PATH=$2 && cd "$1" && exec cargo build --release --locked' sh "$root/guest" "$rust" ||
    fail "Cannot compile the guest agent" "See the errors with: (cd $root/guest && cargo build --release); it needs Rust 1.63, and 1.68 where github.com cannot be reached"
  # cargo keeps the time of a binary it had no need to link again.
  touch "$agent"
}

agent_is_stale() {
  [ -n "$(find "$root/guest/src" "$root/guest/.cargo" "$root"/guest/Cargo.* -newer "$agent" -print -quit)" ]
}
