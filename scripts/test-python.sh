#!/bin/sh
# The Python SDK's tests. Arguments are pytest's. The state root that MVM_HOME names must be set up for tests marked `vm`.
set -eu
cd "$(dirname "$0")/.."
./scripts/python-venv.sh
cd python
exec .venv/bin/python -m pytest "$@"
