# The first machine: boots once, so that every later one is restored instead. A stale template is the daemon's to notice.

first_template() {
  step "template (boots a machine once)"
  [ -z "$(ls "$home/templates" 2>/dev/null)" ] || return 0
  # The daemon that this starts stays; it must not inherit the locks of the set-up.
  logged env MVM_HOME="$home" node "$root/packages/cli/dist/mvmctl.js" run --quiet -- true 8>&- 9>&- ||
    fail "Cannot start a first machine" "See what is missing with: ./mvmctl doctor"
}
