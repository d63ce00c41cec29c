#!/bin/sh
# Brings a checkout, or an installed package, and a state root to where a machine can start. Every step looks before it
# acts, so running it again is cheap. Usage: setup.sh node|machines|packaged STATE_ROOT
#   node      what the command line itself needs: Node packages and compiled sources
#   machines  … and Debian packages, the guest agent, a kernel, the default image and its template
#   packaged  the same for an mvmctl that npm has installed: it came with compiled sources and guest agent
set -eu

here=$(cd "$(dirname "$0")" && pwd)
goal=$1
home=$2
# MVM_SETUP_IMAGE: the state root was filled from a release, now or earlier, and this is an image of it
if [ -z "${MVM_SETUP_IMAGE:-}" ] && [ -f "$home/release.json" ] && [ -f "$home/setup.json" ]; then
  MVM_SETUP_IMAGE=$(sed -n 's/.*"image":"\([a-z0-9._-]*\)".*/\1/p' "$home/setup.json")
fi
image=${MVM_SETUP_IMAGE:-python}
if [ "$goal" = packaged ]; then
  root=$(cd "$here/.." && pwd)
  stamps=$home
  lock=$home/setup.lock
  cli=$root/dist/mvmctl.js
  mvmctl=mvmctl
  steps=2
else
  root=$(cd "$here/../.." && pwd)
  stamps=$root/.mvm-build
  lock=$stamps/lock
  cli=$root/packages/cli/dist/mvmctl.js
  mvmctl=./mvmctl
  steps=2
  [ "$goal" = node ] || steps=6
fi

. "$here/report.sh"
. "$here/home.sh"
. "$here/node.sh"
. "$here/debian.sh"
. "$here/qemu-source.sh"
. "$here/agent.sh"
. "$here/image.sh"
. "$here/machine.sh"

moved() { # the checkout now holds another commit or other dependencies, or another agent, than when stamp $1 was made
  [ ! -f "$1" ] || [ "$root/package-lock.json" -nt "$1" ] || [ "$root/.git/logs/HEAD" -nt "$1" ] || [ "$agent" -nt "$1" ]
}

make_home
log=$home/logs/setup.log
: >>"$log"
mkdir -p "$stamps" 2>/dev/null && [ -w "$stamps" ] ||
  fail "Cannot set up: $stamps is not writable for $(id -un)" "Run $mvmctl setup once as its owner"

# Two first runs at once would install and build over each other; the second waits and then finds all done.
exec 9>"$lock"
if ! flock -n 9; then
  note "waiting for another set-up"
  flock 9
fi

check_node
if [ "$goal" = packaged ]; then
  debian_packages
  first_machine
  record_image
  note "ready"
else
  node_packages
  compiled_sources
fi
if [ "$goal" = machines ]; then
  # Taken before the work: what changes meanwhile is newer than the stamp.
  touch "$stamps/ready.new"
  debian_packages
  guest_agent
  # Renewed only for a reason: every other state root counts as set up as long as it is newer than this stamp.
  if moved "$stamps/ready"; then mv "$stamps/ready.new" "$stamps/ready"; else rm "$stamps/ready.new"; fi
  default_image
  first_machine
  note "ready"
fi
[ -z "${MVM_SETUP_RESULT:-}" ] || printf '{"schema_version":1,"ready":true}\n'
