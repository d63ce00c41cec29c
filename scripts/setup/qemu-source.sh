# Debian 12's own QEMU is 7.2; its backports have 10. They are added, from the host's own mirror and keyring, only
# where the default is too old, and pinned so that nothing but QEMU ever comes from them.

source_file=/etc/apt/sources.list.d/mvm-backports.sources
pin_file=/etc/apt/preferences.d/mvm
from_backports="qemu-system-x86 qemu-system-common qemu-system-data qemu-utils qemu-block-extra seabios"

qemu_source() {
  found=$(chosen_qemu)
  ! is_new "$found" || return 0
  . /etc/os-release
  suite=${VERSION_CODENAME:-unknown}-backports
  others=-1
  if any_new_qemu; then
    # The host's owner uses backports already: what else comes from there stays their choice.
    others=
  else
    mirror=$(debian_mirror)
    [ -n "$mirror" ] ||
      fail "Cannot find QEMU $minimum_qemu: apt offers ${found:-none} and no Debian archive to add backports from" "Install QEMU $minimum_qemu or newer, then: $mvmctl setup"
    note "adding $suite to apt ($source_file), for QEMU $minimum_qemu only ($pin_file)"
    keyring=$(debian_keyring)
    {
      echo "# Added by mvmctl setup for QEMU $minimum_qemu; $pin_file keeps everything else out."
      printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$mirror" "$suite"
      [ -z "$keyring" ] || echo "Signed-By: $keyring"
    } | $as_root tee "$source_file" >/dev/null
  fi
  {
    echo "# Added by mvmctl setup: QEMU may come from $suite, nothing else."
    printf 'Package: %s\nPin: release n=%s\nPin-Priority: 500\n' "$from_backports" "$suite"
    [ -z "$others" ] || printf '\nPackage: *\nPin: release n=%s\nPin-Priority: %s\n' "$suite" "$others"
  } | $as_root tee "$pin_file" >/dev/null
  apt_update || true
  is_new "$(chosen_qemu)" && return 0
  [ -z "$others" ] || $as_root rm -f "$source_file" "$pin_file"
  fail "Cannot get QEMU $minimum_qemu: apt offers ${found:-none}" "Check that the mirror carries $suite, or install QEMU $minimum_qemu yourself, then: $mvmctl setup"
}

offered_qemu() { # every version apt knows, one a line
  apt-cache madison qemu-system-x86 2>/dev/null | awk -F'|' '{ gsub(/ /, "", $2); print $2 }'
}

chosen_qemu() {
  apt_candidate qemu-system-x86
}

any_new_qemu() {
  for version in $(offered_qemu); do
    is_new "$version" && return 0
  done
  return 1
}

is_new() { # is_new VERSION: 1:10.0.2+ds-2 → 10
  major=${1#*:}
  major=${major%%[!0-9]*}
  [ "${major:-0}" -ge "$minimum_qemu" ]
}

# The archive of the release itself, not its security companion, as apt has it configured.
debian_target() {
  apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(COMPONENT) $(REPO_URI) $(SOURCESENTRY)' 'Created-By: Packages' 2>/dev/null |
    awk '$1 == "Debian" && $2 !~ /-/ && $3 == "main" { print $4, $5; exit }'
}

debian_mirror() {
  debian_target | cut -d' ' -f1
}

# The key file of that entry: deb822 entries are counted in stanzas, one-line entries in lines.
debian_keyring() {
  entry=$(debian_target | cut -d' ' -f2)
  file=${entry%:*}
  number=${entry##*:}
  case $file in
    *.sources)
      awk -v number="$number" 'BEGIN { RS = ""; FS = "\n" } /(^|\n)Types:/ && ++stanza == number {
        for (i = 1; i <= NF; i++) if ($i ~ /^Signed-By:[ \t]*\//) { sub(/^Signed-By:[ \t]*/, "", $i); print $i } }' "$file" ;;
    *) sed -n "${number}s/.*signed-by=\(\/[^] ]*\).*/\1/p" "$file" ;;
  esac
}
