// The script of the shell that removes named shared memory after the end of a process. It is in the
// program, and not a file beside it: a bundle has no such files. `npm run lint` has shellcheck read
// it.

/**
 * Its argument is the pid of the process. It reads lines "number name", which registers, and
 * "number", which does the reverse. Names have octal escapes for all that a shell might take for
 * something else; numbers are ours.
 */
export const CLEANUP_SCRIPT = `
trap '' INT TERM HUP
cd /
last=0
while read -r id name; do
  if [ -n "$name" ]; then
    eval "name_$id=\\$name"
    [ "$id" -le "$last" ] || last=$id
  else
    unset "name_$id"
  fi
done
leaked=0
names=
while [ "$last" -gt 0 ]; do
  eval "name=\\$name_$last"
  last=$((last - 1))
  [ -n "$name" ] || continue
  file=$(printf '%b.' "$name")
  file=/dev/shm/\${file%.}
  [ -e "$file" ] || continue
  rm -f -- "$file"
  leaked=$((leaked + 1))
  names="$names $name"
done
if [ "$leaked" -gt 0 ]; then
  text="truefork: process $1 has leaked shared memory, which was cleaned up ($leaked):"
  printf '%s\\n' "$text$names" >&2
fi
`;
