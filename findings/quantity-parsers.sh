#!/usr/bin/env bash
# Two packages that read Kubernetes' quantities do not read those of its metrics API, which counts processor time in billionths (`1478203n`):
# kubernetes-resource-parser 0.1.0 takes it for 1,478,203 cores, and k8s-resource-parser 0.2.2 refuses it. The first also passes over exponents
# of memory (`129e6` is 129) and has no number for memory in thousandths, which the API server answers as it was given them (`1500m`).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts kubernetes-resource-parser@0.1.0 k8s-resource-parser@0.2.2
cat >seen.cjs <<'JS'
for (const name of ['kubernetes-resource-parser', 'k8s-resource-parser']) {
  const { cpuParser, memoryParser } = require(name);
  for (const [read, quantity] of [[cpuParser, '1478203n'], [cpuParser, '250m'], [memoryParser, '129e6'], [memoryParser, '1500m']]) {
    let seen;
    try {
      seen = read(quantity);
    } catch (error) {
      seen = `throws ${error.message}`;
    }
    console.log(`${name}, ${quantity}: ${seen}`);
  }
}
JS
node seen.cjs | tee seen
diff seen - <<'TEXT'
kubernetes-resource-parser, 1478203n: 1478203
kubernetes-resource-parser, 250m: 0.25
kubernetes-resource-parser, 129e6: 129
kubernetes-resource-parser, 1500m: NaN
k8s-resource-parser, 1478203n: throws Invalid quanity provided.
k8s-resource-parser, 250m: 0.25
k8s-resource-parser, 129e6: 129000000
k8s-resource-parser, 1500m: 1.5
TEXT
