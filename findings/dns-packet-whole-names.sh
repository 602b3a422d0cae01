#!/usr/bin/env bash
# Packages that write DNS messages (dns-packet 5.6.1, @dnsquery/dns-packet 6.1.1, dns2 2.1.0) write the name of every record whole, where name servers point back to the
# question (RFC 1035, 4.1.4): eleven endpoints of a headless Service take 530 bytes, which no longer fit into a plain datagram of 512 and send every
# client to TCP. native-dns-packet 0.1.1, which points back, takes 222.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts dns-packet@5.6.1 @dnsquery/dns-packet@6.1.1 dns2@2.1.0 native-dns-packet@0.1.1
cat >seen.cjs <<'JS'
const name = 'peers.shop.svc.cluster.local';
const ips = Array.from({ length: 11 }, (_, i) => `10.1.0.${i + 1}`);
for (const library of ['dns-packet', '@dnsquery/dns-packet']) {
  const { encode } = require(library);
  const answers = ips.map((data) => ({ type: 'A', name, ttl: 30, data }));
  console.log(library, encode({ type: 'response', id: 1, flags: 0, questions: [{ type: 'A', name }], answers }).length);
}
const { Packet } = require('dns2');
const reply = new Packet();
reply.header.qr = 1;
reply.questions.push({ name, type: Packet.TYPE.A, class: Packet.CLASS.IN });
for (const address of ips) reply.answers.push({ name, type: Packet.TYPE.A, class: Packet.CLASS.IN, ttl: 30, address });
console.log('dns2', reply.toBuffer().length);
const NativePacket = require('native-dns-packet');
const native = new NativePacket();
native.header.qr = 1;
native.question.push({ name, type: 1, class: 1 });
for (const address of ips) native.answer.push({ name, type: 1, class: 1, ttl: 30, address });
console.log('native-dns-packet', NativePacket.write(Buffer.alloc(4096), native));
JS
node seen.cjs | tee seen
diff seen - <<'TEXT'
dns-packet 530
@dnsquery/dns-packet 530
dns2 530
native-dns-packet 222
TEXT
