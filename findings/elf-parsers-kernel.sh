#!/usr/bin/env bash
# Packages that read ELF files, on a kernel. elf-tools 1.1.2 turns every 64-bit field round in the buffer that it is given, so whoever reads that again, or loads it, has another
# file; it and elfy 1.0.0 throw where a file has no sections, which a loader needs none of. Of a kernel in the upper half of its address space, as Linux's
# `vmlinux` is, elf-tools throws and elfy rounds the addresses to a multiple of 2,048. elfinfo 0.4.0-beta reads all of it. binutils' readelf is asked what is right.
set -euo pipefail
command -v readelf >/dev/null || { echo 'needs readelf (Debian: binutils)' >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts elfinfo@0.4.0-beta elf-tools@1.1.2 elfy@1.0.0
# RISC-V, 64 bits, one segment, with or without a table of sections.
python3 - <<'PY'
import struct

def elf(name, base, sections):
    names = b'\0.shstrtab\0'
    table = bytes(64) + struct.pack('<IIQQQQIIQQ', 1, 3, 0, 0, 0x1010, len(names), 0, 0, 1, 0) if sections else b''
    head = b'\x7fELF' + bytes([2, 1, 1]) + bytes(9)
    head += struct.pack('<HHIQQQIHHHHHH', 2, 243, 1, base + 0x40, 64, 0x1020 if sections else 0, 5, 64, 56, 1, 64 if sections else 0, 2 if sections else 0, 1 if sections else 0)
    head += struct.pack('<IIQQQQQQ', 1, 5, 0x1000, base, 0x80200000, 16, 32, 0x1000)
    body = head + bytes(0x1000 - len(head)) + bytes(16) + names.ljust(16, b'\0') + table
    open(name, 'wb').write(body)

elf('low.elf', 0x80200000, True)
elf('high.elf', 0xffffffff80000000, True)
elf('bare.elf', 0x80200000, False)
PY
cat >seen.mjs <<'JS'
import { readFileSync } from 'node:fs';
import elfTools from 'elf-tools';
import elfinfo from 'elfinfo';
import elfy from 'elfy';

const hex = (value) => `0x${BigInt(value).toString(16)}`;
const ways = {
  elfinfo: async (file) => {
    const { elf } = await elfinfo.open(file);
    return `entry ${hex(elf.entryPoint)}, segment at ${hex(elf.segments[0].vaddr)}`;
  },
  'elf-tools': (file) => {
    const { header, programs } = elfTools.parse(file);
    return `entry ${hex(header.entry)}, segment at ${hex(programs[0].header.vaddr)}`;
  },
  elfy: (file) => {
    const { entry, body } = elfy.parse(file);
    return `entry ${hex(entry)}, segment at ${hex(body.programs[0].vaddr)}`;
  },
};
for (const name of ['low', 'bare', 'high'])
  for (const [way, read] of Object.entries(ways)) {
    let said;
    try {
      said = await read(readFileSync(`${name}.elf`));
    } catch {
      said = 'throws';
    }
    console.log(`${name}, ${way}: ${said}`);
  }
JS
{
  for name in low bare high; do
    entry=$(readelf -h "$name.elf" | sed -n 's/.*Entry point address: *//p')
    echo "$name, readelf: entry $entry"
  done
  node seen.mjs
  cat >again.mjs <<'JS'
import { readFileSync } from 'node:fs';
import elfTools from 'elf-tools';

const file = readFileSync('low.elf');
const before = Buffer.from(file);
elfTools.parse(file);
console.log(`elf-tools changed ${file.filter((byte, at) => byte !== before[at]).length} bytes of what it read`);
JS
  node again.mjs
} | tee seen
diff seen - <<'SEEN'
low, readelf: entry 0x80200040
bare, readelf: entry 0x80200040
high, readelf: entry 0xffffffff80000040
low, elfinfo: entry 0x80200040, segment at 0x80200000
low, elf-tools: entry 0x80200040, segment at 0x80200000
low, elfy: entry 0x80200040, segment at 0x80200000
bare, elfinfo: entry 0x80200040, segment at 0x80200000
bare, elf-tools: throws
bare, elfy: throws
high, elfinfo: entry 0xffffffff80000040, segment at 0xffffffff80000000
high, elf-tools: throws
high, elfy: entry 0xffffffff80000000, segment at 0xffffffff80000000
elf-tools changed 36 bytes of what it read
SEEN
echo 'as seen'
