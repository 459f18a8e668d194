#!/bin/sh
# Makes a checkout ready to run: dependencies, the addon, and the JavaScript.
# Does only what is not done yet.
set -e
cd "$(dirname "$0")/.."

if [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --ignore-scripts --no-audit --no-fund
fi

PATH=$PWD/node_modules/.bin:$PATH
if [ binding.gyp -nt build/Makefile ]; then
  # Headers that came with Node save a download.
  prefix=$(node -p 'require("path").resolve(process.execPath, "../..")')
  if [ -f "$prefix/include/node/uv.h" ]; then
    node-gyp configure --silent --nodedir="$prefix"
  else
    node-gyp configure --silent
  fi
fi
node-gyp build --silent
tsc --build
