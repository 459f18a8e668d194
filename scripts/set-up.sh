#!/bin/sh
# Makes a checkout ready to run: dependencies, the addon, and the JavaScript.
# Does only what is not done yet, and prints to stderr only.
set -e
cd "$(dirname "$0")/.."
exec >&2

quietly() {
  output=$("$@" 2>&1) || {
    echo "$output"
    exit 1
  }
}

if [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo 'Installing what truefork is built with ...'
  quietly npm ci --ignore-scripts --no-audit --no-fund
fi

PATH=$PWD/node_modules/.bin:$PATH
if [ binding.gyp -nt build/Makefile ]; then
  echo 'Building truefork ...'
  # Headers that came with Node save a download.
  prefix=$(node -p 'require("path").resolve(process.execPath, "../..")')
  if [ -f "$prefix/include/node/uv.h" ]; then
    quietly node-gyp configure --nodedir="$prefix"
  else
    quietly node-gyp configure
  fi
fi
quietly node-gyp build
tsc --build
