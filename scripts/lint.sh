#!/bin/sh
# Formatting and lint of everything: TypeScript with oxfmt and oxlint, C++ with
# clang-format and clang-tidy, shell scripts with shellcheck.   lint.sh [--fix]
set -e
cd "$(dirname "$0")/.."
PATH=$PWD/node_modules/.bin:$PATH

for tool in clang-format clang-tidy shellcheck; do
  if ! command -v "$tool" >/dev/null; then
    echo "lint.sh: no $tool here; Debian has it in the package of that name" >&2
    exit 1
  fi
done

if [ "$1" = --fix ]; then
  oxfmt .
  oxlint -c oxlint.config.mjs --type-aware --fix
  clang-format -i native/*.cc native/*/*.cc native/*/*.h
fi

oxfmt --check .
oxlint -c oxlint.config.mjs --type-aware
shellcheck scripts/*.sh .ci/run
script=$(node -e 'import("./out/lib/memory/cleanup-script.js").then((it) => console.log(it.CLEANUP_SCRIPT))')
printf '%s\n' "$script" | shellcheck --shell=sh -
clang-format --dry-run --Werror native/*.cc native/*/*.cc native/*/*.h
prefix=$(node -p 'require("path").resolve(process.execPath, "../..")')
# On stderr it counts what it does not show.
printf '%s\n' native/*.cc native/*/*.cc | xargs -P 4 -I FILE clang-tidy --quiet FILE -- \
  -std=c++20 -Wall -Wextra -DNAPI_VERSION=9 -DNODE_ADDON_API_DISABLE_CPP_EXCEPTIONS \
  -DNODE_ADDON_API_DISABLE_DEPRECATED -I native -isystem node_modules/node-addon-api \
  -isystem "$prefix/include/node" 2>/dev/null
