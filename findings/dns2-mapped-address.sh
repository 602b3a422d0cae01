#!/usr/bin/env bash
# dns2 3.1.1 writes an AAAA record of `::ffff:10.0.0.1`, as dual-stack programs name the address of a plain pod, as `::ffff:10`, another address; and a text
# of more than 255 bytes with a length that does not fit its place, so that its own reader finds no record.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts dns2@3.1.1
cat >seen.mjs <<'JS'
import dns from 'dns2';

const { Packet } = dns;
const { AAAA, TXT } = Packet.TYPE;
function throughTheWire(record) {
  const packet = new Packet();
  packet.header.qr = 1;
  packet.answers.push({ name: 'web.default.svc.cluster.local', class: Packet.CLASS.IN, ttl: 5, ...record });
  return Packet.parse(packet.toBuffer()).answers[0];
}
for (const address of ['fd00::a00:1', '::ffff:a00:1', '::ffff:10.0.0.1'])
  console.log(`${address} -> ${throughTheWire({ type: AAAA, address }).address}`);
for (const length of [255, 256]) console.log(`text of ${length} -> ${[throughTheWire({ type: TXT, data: 'a'.repeat(length) })?.data].flat()[0]?.length}`);
JS
node seen.mjs | tee seen
diff seen - <<'TEXT'
fd00::a00:1 -> fd00::a00:1
::ffff:a00:1 -> ::ffff:a00:1
::ffff:10.0.0.1 -> ::ffff:10
text of 255 -> 255
text of 256 -> undefined
TEXT
