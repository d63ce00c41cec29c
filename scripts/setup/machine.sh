# The first machine: boots once, so that every later one is restored instead. Makes the kernel and the image first where they
# are missing. A stale template is the daemon's to notice.

first_machine() {
  step "template (boots a machine once)"
  [ -e "$home/images/refs/$image.json" ] || note "building the image from Debian packages takes about a minute"
  [ -z "$(ls "$home/templates" 2>/dev/null)" ] || return 0
  # The daemon that this starts stays; it must not inherit the locks of the set-up.
  logged env MVM_HOME="$home" node "$cli" run --quiet --image "$image" -- true 8>&- 9>&- ||
    fail "Cannot start a first machine" "See what is missing with: $mvmctl doctor"
}
