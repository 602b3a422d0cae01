#!/usr/bin/env bash
# docker-parse-image 3.0.1 puts Docker Hub's `library/` into names of other registries, which is another image there; a digest becomes a tag behind a
# colon, with which no registry finds it; and of a name with three parts below its registry, as ghcr.io's are, it knows nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts docker-parse-image@3.0.1
cat >seen.mjs <<'JS'
import parse from 'docker-parse-image';

const digest = `sha256:${'0'.repeat(64)}`;
for (const name of ['nginx', 'registry.k8s.io/pause:3.9', `registry.k8s.io/coredns/coredns@${digest}`, 'ghcr.io/acme/team/app:v1'])
  console.log(`${name} -> ${parse(name)?.fullname}`.replaceAll('0'.repeat(64), '0…'));
JS
node seen.mjs | tee seen
diff seen - <<'TEXT'
nginx -> library/nginx:latest
registry.k8s.io/pause:3.9 -> registry.k8s.io/library/pause:3.9
registry.k8s.io/coredns/coredns@sha256:0… -> registry.k8s.io/coredns/coredns:sha256:0…
ghcr.io/acme/team/app:v1 -> undefined
TEXT
