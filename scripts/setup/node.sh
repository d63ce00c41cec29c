# Node itself, the packages of the checkout and its compiled sources.

check_node() {
  command -v node >/dev/null 2>&1 ||
    fail "Cannot find Node.js: version 20 or newer is needed" "Install it from https://nodejs.org/en/download (on Debian 13: sudo apt-get install nodejs npm)"
  major=$(node -p 'process.versions.node.split(".")[0]')
  [ "$major" -ge 20 ] ||
    fail "Cannot use Node.js $(node --version): version 20 or newer is needed" "Install it from https://nodejs.org/en/download"
  command -v npm >/dev/null 2>&1 || fail "Cannot find npm" "Install it with: sudo apt-get install npm"
}

node_packages() {
  step "Node packages"
  installed=$root/node_modules/.package-lock.json
  for vouches in "$installed" "$stamps/npm"; do
    if [ -f "$installed" ] && [ -f "$vouches" ] && [ -z "$(changed_manifests "$vouches")" ]; then return 0; fi
  done
  note "downloading the Node packages that package-lock.json names"
  # `ci` starts from nothing; a tree that is there is brought up to date in place, under whatever uses it.
  if [ -d "$root/node_modules" ]; then
    npm_quietly install || node_packages_failed
  elif ! npm_quietly ci; then
    # A lock that lags behind package.json is the one failure another command answers.
    tail -n 20 "$log" | grep -q EUSAGE || node_packages_failed
    npm_quietly install || node_packages_failed
  fi
  touch "$stamps/npm"
}

node_packages_failed() {
  fail "Cannot install the Node packages" "Check the network, then: (cd $root && npm install)"
}

npm_quietly() {
  logged npm --prefix "$root" "$1" --no-audit --no-fund --loglevel=error
}

changed_manifests() { # changed_manifests STAMP
  find "$root/package.json" "$root/package-lock.json" "$root"/packages/*/package.json -newer "$1" 2>/dev/null
}

compiled_sources() {
  step "compiled sources"
  # Taken before looking: an edit made meanwhile is newer than the stamp. It is a stamp of its own because what tsc
  # writes is not newer than a source whose output stayed the same.
  touch "$stamps/node.new"
  if [ ! -f "$root/packages/cli/dist/mvmctl.js" ] || [ ! -f "$stamps/node" ] || changed_sources; then
    logged npm --prefix "$root" run build ||
      fail "Cannot compile the sources" "See the errors with: (cd $root && npm run build)"
  fi
  mv "$stamps/node.new" "$stamps/node"
}

changed_sources() {
  [ -n "$(find "$root"/packages/*/src "$root"/packages/*/tsconfig.json "$root"/tsconfig*.json -newer "$stamps/node" -print -quit)" ]
}
