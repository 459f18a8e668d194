#!/bin/sh
# Runs the benchmarks, or those whose name contains one of the arguments.
#   bench.sh [part of a name]...
set -e
cd "$(dirname "$0")/.."

for file in out/bench/*.js; do
  name=$(basename "$file" .js)
  for part in "${@:-}"; do
    case $name in *"$part"*) node "$file" && break ;; esac
  done
done
