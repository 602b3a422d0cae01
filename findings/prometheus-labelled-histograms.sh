#!/usr/bin/env bash
# parse-prometheus-text-format 1.1.1 makes one histogram of all series of a name: of those with labels, as an API server's
# `apiserver_request_duration_seconds` are, the last one's buckets stay under no label at all, and sums and counts are gone. Counters keep their labels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts parse-prometheus-text-format@1.1.1
cat >seen.mjs <<'JS'
import parse from 'parse-prometheus-text-format';

const show = (lines) => console.log(JSON.stringify(parse(`${lines.join('\n')}\n`)[0].metrics));
show(['# TYPE requests_total counter', 'requests_total{verb="GET"} 2', 'requests_total{verb="LIST"} 9']);
const series = (verb, fast, all, sum) => [
  `seconds_bucket{verb="${verb}",le="0.1"} ${fast}`,
  `seconds_bucket{verb="${verb}",le="+Inf"} ${all}`,
  `seconds_sum{verb="${verb}"} ${sum}`,
  `seconds_count{verb="${verb}"} ${all}`,
];
show(['# TYPE seconds histogram', ...series('GET', 1, 2, 0.3), ...series('LIST', 5, 9, 7)]);
JS
node seen.mjs | tee seen
diff seen - <<'TEXT'
[{"value":"2","labels":{"verb":"GET"}},{"value":"9","labels":{"verb":"LIST"}}]
[{"buckets":{"0.1":"5","+Inf":"9"}}]
TEXT
