#!/bin/sh
# The virtual environment of the Python SDK's development, python/.venv: made when it is missing or old.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
python=$root/python
venv=$python/.venv
log=$python/.venv.log
steps=1
. "$root/scripts/setup/report.sh"
. "$root/scripts/setup/debian.sh"

python_packages() {
  packages="python3 python3-venv"
  become_root "$packages"
  note "installing from Debian: $packages"
  # shellcheck disable=SC2086 # a list of words
  apt_install $packages || { apt_update && apt_install $packages; } ||
    fail "Cannot install $packages" "Check the network, then: sudo apt-get update && sudo apt-get install $packages"
}

exec 9<"$python"
flock 9
if [ ! -e "$venv/ready" ] || [ "$python/pyproject.toml" -nt "$venv/ready" ]; then
  : >"$log"
  step "Python packages"
  python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || python_packages
  logged python3 -m venv --clear "$venv" && logged "$venv/bin/pip" install --editable "$python[dev]" ||
    fail "Cannot install the Python packages" "Check the network, then run $0 again"
  touch "$venv/ready"
fi
