# The programs machines and images need, from Debian. A program that is there already, from wherever, is left alone.

minimum_qemu=10
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

debian_packages() {
  step "Debian packages"
  [ "$(uname -m)" = x86_64 ] || fail "Cannot run machines on $(uname -m): only x86_64 is supported" "Use an x86_64 host"
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null 2>&1 ||
    fail "Cannot install $missing: this host has no apt" "Install these programs another way (QEMU $minimum_qemu or newer), then: $mvmctl setup"
  become_root "$missing"
  # A fresh host has no package lists, and which packages are right depends on what they offer.
  [ -n "$(apt-cache madison cargo 2>/dev/null)" ] || apt_update || true
  missing=$(missing_packages)
  note "installing from Debian: $missing"
  case " $missing " in *" qemu-system-x86 "*) qemu_source ;; esac
  # Package lists as old as the host's image name files the mirror no longer has: renew them, once.
  # shellcheck disable=SC2086 # a list of words
  apt_install $missing || { apt_update && apt_install $missing; } ||
    fail "Cannot install the Debian packages $missing" "Check the network, then: sudo apt-get update && sudo apt-get install $missing"
  missing=$(missing_packages)
  [ -z "$missing" ] ||
    fail "Cannot go on: installed, but still missing or too old: $missing" "Look for an older copy earlier in PATH, or install QEMU $minimum_qemu or newer"
}

missing_packages() {
  list=
  need() { command -v "$1" >/dev/null 2>&1 || list="$list $2"; }
  qemu_is_new || list="$list qemu-system-x86"
  need qemu-img qemu-utils
  need mke2fs e2fsprogs
  need bwrap bubblewrap
  need xz xz-utils
  need mount mount
  # What a release brought is neither built nor compiled here.
  if [ -z "${MVM_SETUP_IMAGE:-}" ]; then
    need mmdebstrap mmdebstrap
    need mkfs.erofs erofs-utils
  fi
  if [ "$goal" != packaged ] && [ -z "${MVM_SETUP_IMAGE:-}" ]; then
    [ -n "$(rust_path)" ] || list="$list $(rust_package)"
    need cc "gcc libc6-dev"
  fi
  # Only someone who is not root builds images in a user namespace.
  [ "$(id -u)" = 0 ] || [ -n "${MVM_SETUP_IMAGE:-}" ] || need newuidmap uidmap
  # Both come from one source and must be of one version.
  case $list in *qemu-system-x86*) case $list in *qemu-utils*) ;; *) list="$list qemu-utils" ;; esac ;; esac
  echo "${list# }"
}

# The PATH with which cargo runs, or nothing. rustup's cargo is a program that chooses another one: without a default toolchain
# for this user it is there and does not run. Debian's own then has to come first, with the rustc beside it.
rust_path() {
  for path in "$PATH" "/usr/bin:$PATH"; do
    if (PATH=$path && cargo --version) >/dev/null 2>&1; then echo "$path" && return; fi
  done
}

# Debian 12's own cargo reads the registry only as a git repository of hundreds of megabytes; the newer one it carries
# for browsers does not. One that is there already is never replaced.
rust_package() {
  case $(apt_candidate cargo) in
    0.*) [ -z "$(apt_candidate cargo-web)" ] || { echo cargo-web && return; } ;;
  esac
  echo cargo
}

apt_candidate() { # apt_candidate PACKAGE: the version apt would install, or nothing
  LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: //p' | grep -v '^(none)$' || true
}

qemu_is_new() {
  command -v qemu-system-x86_64 >/dev/null 2>&1 || return 1
  major=$(qemu-system-x86_64 --version | sed -n '1s/^QEMU emulator version \([0-9]*\).*/\1/p')
  [ "${major:-0}" -ge "$minimum_qemu" ]
}

become_root() { # become_root PACKAGES: how to run apt, in $as_root
  as_root=
  [ "$(id -u)" != 0 ] || return 0
  manual="Have root run: apt-get install --no-install-recommends $1"
  command -v sudo >/dev/null 2>&1 || fail "Cannot install $1: not root and no sudo" "$manual"
  if [ -t 2 ]; then
    note "sudo is used for apt only, to install: $1"
    sudo -v </dev/tty || fail "Cannot install $1: sudo was refused" "$manual"
  else
    sudo -n true 2>/dev/null || fail "Cannot install $1: sudo asks for a password and there is no terminal" "$manual"
  fi
  as_root="sudo -n"
}

apt_update() {
  logged $as_root apt-get update
}

apt_install() {
  logged $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}
