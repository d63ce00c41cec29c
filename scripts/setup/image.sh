# Kernel, initramfs and the default image of one state root. The rest (templates) the daemon makes when first needed.

default_image() {
  step "kernel and image $image"
  exec 8>"$home/setup.lock"
  flock 8
  [ -e "$home/images/refs/$image.json" ] || note "building them from Debian packages takes about a minute"
  [ -n "${MVM_SETUP_IMAGE:-}" ] ||
    logged node "$root/packages/images/dist/bin/build.js" --home "$home" --agent "$agent" "$image" 8>&- ||
    fail "Cannot build the image $image" "Check that the Debian mirror can be reached, then: $mvmctl setup"
  record_image
}

# What this state root was set up with: the next set-up, and whoever asks what is ready, reads it.
record_image() {
  printf '{"schema_version":1,"image":"%s","set_up_at":"%s"}\n' "$image" "$(date -u +%FT%TZ)" >"$home/setup.json.new"
  mv "$home/setup.json.new" "$home/setup.json"
}
