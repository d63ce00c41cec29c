#!/bin/sh
# Every test, from whatever state the checkout is in. The state root is the checkout's own: a user's sandboxes and
# images are neither used nor touched.
set -eu
cd "$(dirname "$0")/.."
MVM_HOME="${MVM_TEST_HOME:-$PWD/.mvm-test}"
export MVM_HOME
say() { printf '\n== %s\n' "$1"; }

say "setting up"
./mvmctl setup
say "checks: format, rules, layers"
npm run --silent lint
say "guest agent"
(cd guest && cargo test --quiet)
say "fast tests"
npx vitest run --project fast
say "fast tests of the Python SDK"
./scripts/test-python.sh -m "not vm"
say "tests on real machines"
npx vitest run --project vm
say "tests of the Python SDK on real machines"
./scripts/test-python.sh -m vm
