#!/usr/bin/env bash
# Integers of CEL are numbers of JavaScript to cel-js 0.8.2: a rule that asks for an even number of replicas takes an odd one too, as `5 / 2` is 2.5
# there, and beyond 2^53 unequal integers are equal. @bufbuild/cel 0.6.1 and @marcbachmann/cel-js 8.0.0 divide as the language says.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts cel-js@0.8.2 @bufbuild/cel@0.6.1 @marcbachmann/cel-js@8.0.0
cat >seen.mjs <<'JS'
import { run } from '@bufbuild/cel';
import { evaluate as evaluateOther } from '@marcbachmann/cel-js';
import { evaluate } from 'cel-js';

for (const rule of ['5 / 2 * 2 == 5', '9007199254740993 == 9007199254740992', '7 / 2 == 3'])
  console.log(`${rule}: cel-js ${evaluate(rule)}, @bufbuild/cel ${run(rule)}, @marcbachmann/cel-js ${evaluateOther(rule)}`);
JS
node seen.mjs | tee seen
diff seen - <<'TEXT'
5 / 2 * 2 == 5: cel-js true, @bufbuild/cel false, @marcbachmann/cel-js false
9007199254740993 == 9007199254740992: cel-js true, @bufbuild/cel false, @marcbachmann/cel-js false
7 / 2 == 3: cel-js false, @bufbuild/cel true, @marcbachmann/cel-js true
TEXT
