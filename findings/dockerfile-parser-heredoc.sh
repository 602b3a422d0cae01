#!/usr/bin/env bash
# docker-file-parser 1.0.7 takes the lines of a here-document for instructions (`echo 1` is an instruction ECHO), ends a continued line at an empty
# one, which Docker only warns of, and overlooks the escape directive where the syntax directive comes before it. dockerfile-ast 0.7.1 reads all three.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts docker-file-parser@1.0.7 dockerfile-ast@0.7.1
cat >seen.cjs <<'JS'
const { DockerfileParser } = require('dockerfile-ast');
const { parse } = require('docker-file-parser');

const files = {
  'here-document': 'FROM a\nRUN <<END\necho 1\nEND\nCMD b\n',
  'empty line': 'FROM a\nRUN b \\\n\n  c\n',
  'two directives': '# syntax=docker/dockerfile:1\n# escape=`\nFROM a\nRUN b `\n  c\n',
};
for (const [name, text] of Object.entries(files)) {
  const ast = DockerfileParser.parse(text).getInstructions();
  console.log(`${name}: docker-file-parser ${parse(text).map((one) => one.name)}; dockerfile-ast ${ast.map((one) => one.getInstruction())}`);
}
JS
node seen.cjs | tee seen
diff seen - <<'TEXT'
here-document: docker-file-parser FROM,RUN,ECHO,END,CMD; dockerfile-ast FROM,RUN,CMD
empty line: docker-file-parser FROM,RUN,C; dockerfile-ast FROM,RUN
two directives: docker-file-parser FROM,RUN,C; dockerfile-ast FROM,RUN
TEXT
