# The state root: private to its owner from the first moment. The daemon checks the same again at every start.

make_home() {
  log=/dev/null
  mkdir -p "$(dirname "$home")" 2>/dev/null || true
  [ -e "$home" ] || mkdir -m 0700 "$home" 2>/dev/null || true
  [ -d "$home" ] || fail "Cannot make the state root $home" "Set MVM_HOME to a directory you can write to"
  if [ -h "$home" ] || [ ! -O "$home" ] || [ -n "$(find "$home" -maxdepth 0 -perm /022)" ]; then
    fail "Cannot use the state root $home: it is a symbolic link, someone else's, or writable by others" \
      "Set MVM_HOME to a directory of your own with mode 0700"
  fi
  chmod 0700 "$home"
  [ -d "$home/logs" ] || mkdir -m 0700 "$home/logs"
}
