#!/bin/sh
# Prints the path of Debian's docker-registry, for tests. Where it is not installed it is taken out of its package, so that no
# service is set up and nobody needs to be root.
set -eu
cd "$(dirname "$0")/.."
if command -v docker-registry; then exit 0; fi
folder=$PWD/.mvm-build/docker-registry
program=$folder/usr/bin/docker-registry
mkdir -p "$PWD/.mvm-build"
exec 9>"$PWD/.mvm-build/docker-registry.lock"
flock 9
if [ ! -x "$program" ]; then
  rm -rf "$folder" "$folder.new"
  mkdir "$folder.new"
  (
    cd "$folder.new"
    # Package lists may be missing, or older than what the archive still has.
    apt-get download --quiet docker-registry || { apt-get update --quiet && apt-get download --quiet docker-registry; }
    dpkg-deb --extract docker-registry_*.deb .
  ) >&2
  mv "$folder.new" "$folder"
fi
echo "$program"
