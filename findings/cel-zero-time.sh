#!/usr/bin/env bash
# The year of Go's zero time, which is what a `metadata.creationTimestamp` that was never set looks like to a CEL rule, is 1901 to @bufbuild/cel 0.6.1,
# though the timestamp itself is read and written right: a rule that tells unset times by their year never finds one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @bufbuild/cel@0.6.1
cat >seen.mjs <<'JS'
import { run } from '@bufbuild/cel';

for (const year of ['0001', '0099', '0100', '2026'])
  console.log(`${run(`string(timestamp("${year}-01-01T00:00:00Z"))`)}: ${run(`timestamp("${year}-01-01T00:00:00Z").getFullYear()`)}`);
JS
node seen.mjs | tee seen
diff seen - <<'TEXT'
0001-01-01T00:00:00Z: 1901
0099-01-01T00:00:00Z: 1999
0100-01-01T00:00:00Z: 100
2026-01-01T00:00:00Z: 2026
TEXT
