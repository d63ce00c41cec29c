#!/bin/sh
# Brings a checkout and a state root to where a machine can start. Every step looks before it acts, so running it
# again is cheap. Usage: setup.sh node|machines STATE_ROOT
#   node      what the command line itself needs: Node packages and compiled sources
#   machines  … and Debian packages, the guest agent, a kernel, the default image and its template
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
goal=$1
home=$2
stamps=$root/.mvm-build
image=python
steps=2
[ "$goal" = node ] || steps=6

. "$here/report.sh"
. "$here/home.sh"
. "$here/node.sh"
. "$here/debian.sh"
. "$here/qemu-source.sh"
. "$here/agent.sh"
. "$here/image.sh"
. "$here/template.sh"

make_home
log=$home/logs/setup.log
: >>"$log"
mkdir -p "$stamps" 2>/dev/null && [ -w "$stamps" ] ||
  fail "Cannot set up: the checkout $root is not writable for $(id -un)" "Run ./mvmctl setup once as its owner"

# Two first runs at once would install and build over each other; the second waits and then finds all done.
exec 9>"$stamps/lock"
if ! flock -n 9; then
  note "waiting for another set-up of this checkout"
  flock 9
fi

check_node
node_packages
compiled_sources
if [ "$goal" = machines ]; then
  # Taken before the work: what changes meanwhile is newer than the stamp.
  touch "$stamps/ready.new"
  debian_packages
  guest_agent
  mv "$stamps/ready.new" "$stamps/ready"
  default_image
  first_template
  note "ready"
fi
