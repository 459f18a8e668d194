#!/bin/sh
# Runs the tests, or those whose path contains one of the arguments.
#   test.sh [part of a path]...
set -e
cd "$(dirname "$0")/.."

files=$(find out/test -name '*.test.js' | sort)
if [ $# -gt 0 ]; then
  files=$(for part; do echo "$files" | grep -F -- "$part"; done | sort -u)
fi
if [ -z "$files" ]; then
  echo "test.sh: no test has '$*' in its path" >&2
  exit 1
fi
# Whole files side by side: much of their time they wait.
# shellcheck disable=SC2086
exec node --test --test-concurrency=4 --test-reporter=spec $files
