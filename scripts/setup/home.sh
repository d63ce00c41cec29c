# The state root: private to its owner from the first moment. The daemon checks the same again at every start.

make_home() {
  log=/dev/null
  [ ! -h "$home" ] || refuse_home "it is a symbolic link"
  [ ! -e "$home" ] || [ -d "$home" ] || refuse_home "it is not a directory"
  mkdir -p "$(dirname "$home")" 2>/dev/null || true
  [ -e "$home" ] || mkdir -m 0700 "$home" 2>/dev/null || true
  [ -d "$home" ] || refuse_home "it cannot be made"
  [ -O "$home" ] || refuse_home "it belongs to another user"
  [ -z "$(find "$home" -maxdepth 0 -perm /022)" ] || refuse_home "others can write to it"
  chmod 0700 "$home" 2>/dev/null || true
  [ -w "$home" ] && { [ -d "$home/logs" ] || mkdir -m 0700 "$home/logs" 2>/dev/null; } ||
    refuse_home "it cannot be written to"
}
