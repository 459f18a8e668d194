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

# Whether $1 has yet to be made from $2; shells differ on -nt and missing files.
# shellcheck disable=SC3013
outdated() {
  [ ! -e "$1" ] || [ "$2" -nt "$1" ]
}

if outdated node_modules/.package-lock.json package-lock.json; then
  echo 'Installing what truefork is built with ...'
  quietly npm ci --ignore-scripts --no-audit --no-fund
fi

PATH=$PWD/node_modules/.bin:$PATH
if outdated build/Makefile binding.gyp; then
  echo 'Building truefork ...'
  # Headers that came with Node save a download.
  prefix=$(node -p 'require("path").resolve(process.execPath, "../..")')
  if [ -f "$prefix/include/node/uv.h" ]; then
    quietly node-gyp configure --nodedir="$prefix"
  else
    quietly node-gyp configure
  fi
fi
quietly node-gyp build --jobs max
tsc --build
if outdated dist/index.js out/lib/tsconfig.tsbuildinfo || outdated dist/index.js rollup.config.js; then
  quietly rollup --config
fi
