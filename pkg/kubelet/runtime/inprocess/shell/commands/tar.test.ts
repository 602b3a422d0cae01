import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type TestContainer, testContainer } from '../testing.ts';

let container: TestContainer;
let outside: string;
beforeEach(() => {
  outside = mkdtempSync(join(tmpdir(), 'coxswain-tar-'));
  container = testContainer([
    { containerPath: '/mounted', hostPath: join(outside, 'volume') },
    { containerPath: '/fixed', hostPath: join(outside, 'fixed'), readOnly: true },
  ]);
  mkdirSync(join(outside, 'volume'));
  mkdirSync(join(outside, 'fixed'));
});
afterEach(() => {
  container.remove();
  rmSync(outside, { recursive: true, force: true });
});

const long = 'a-long-name-'.repeat(12);

function fill(folder: string): void {
  mkdirSync(join(folder, 'tree/deep'), { recursive: true });
  writeFileSync(join(folder, 'tree/file'), 'contents');
  writeFileSync(join(folder, 'tree/empty'), '');
  writeFileSync(join(folder, 'tree/deep/big'), 'x'.repeat(300_001));
  writeFileSync(join(folder, `tree/deep/${long}`), 'long');
  symlinkSync('file', join(folder, 'tree/link'));
}

/** Runs the machine's tar. */
function machine(args: readonly string[], input?: Uint8Array): Buffer {
  const { stdout, status, stderr } = spawnSync('tar', [...args], { input, maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(stderr.toString());
  return stdout;
}

test.each([[[]], [['-z']]])('what is packed here with %j is read elsewhere, and the other way round', async (zip) => {
  fill(container.root);
  const packed = await container.bytes(['tar', ...zip, '-cf', '-', '-C', '/', 'tree']);
  machine([...zip, '-xf', '-', '-C', outside], packed);
  expect(readFileSync(join(outside, 'tree/deep/big'), 'utf8').length).toBe(300_001);
  expect(readFileSync(join(outside, `tree/deep/${long}`), 'utf8')).toBe('long');
  const theirs = machine([...zip, '-cf', '-', '-C', outside, 'tree']);
  const unpacked = await container.run(['sh', '-c', `mkdir /copy && tar ${zip.join(' ')} -xmf - -C /copy`], {
    stdin: theirs,
  });
  expect(unpacked).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  expect(spawnSync('diff', ['-r', join(outside, 'tree'), join(container.root, 'copy/tree')]).stdout.toString()).toBe(
    '',
  );
  expect(lstatSync(join(container.root, 'copy/tree/link')).isSymbolicLink()).toBe(true);
});

test('the list of an archive is its names', async () => {
  fill(container.root);
  const packed = await container.bytes(['tar', 'cf', '-', 'tree/file', 'tree/link']);
  expect((await container.run(['tar', 'tf', '-'], { stdin: packed })).stdout).toBe('tree/file\ntree/link\n');
});

test('names that lead out of the folder are refused, and what a link leads to is inside of the container', async () => {
  writeFileSync(join(outside, 'evil'), 'evil');
  mkdirSync(join(outside, 'a'));
  const up = machine(['-cPf', '-', '-C', join(outside, 'a'), '../evil']);
  expect(await container.run(['tar', '-xf', '-', '-C', '/tmp'], { stdin: up })).toEqual({
    exitCode: 1,
    stdout: '',
    stderr: "tar: ../evil: name contains '..'\n",
  });
  expect(existsSync(join(container.root, 'evil'))).toBe(false);
  // A link out of the container, then a file through it.
  symlinkSync(outside, join(outside, 'a/way'));
  const link = machine(['-cf', '-', '-C', join(outside, 'a'), 'way']);
  rmSync(join(outside, 'a/way'));
  mkdirSync(join(outside, 'a/way'));
  writeFileSync(join(outside, 'a/way/planted'), 'evil');
  const through = machine(['-cf', '-', '-C', join(outside, 'a'), 'way/planted']);
  await container.run(['tar', '-xf', '-', '-C', '/tmp'], { stdin: link });
  await container.run(['tar', '-xf', '-', '-C', '/tmp'], { stdin: through });
  expect(existsSync(join(outside, 'planted'))).toBe(false);
  expect((await container.run(['sh', '-c', 'cat /tmp/way/../../evil /etc/shadow'])).exitCode).toBe(1);
});

test('mounts are where they are, and what is read-only stays so', async () => {
  expect(await container.run(['sh', '-c', 'echo kept > /mounted/file; ls /mounted'])).toEqual({
    exitCode: 0,
    stdout: 'file\n',
    stderr: '',
  });
  expect(readFileSync(join(outside, 'volume/file'), 'utf8')).toBe('kept\n');
  const { exitCode, stderr } = await container.run(['sh', '-c', 'echo x > /fixed/file']);
  expect([exitCode, stderr]).toEqual([1, 'sh: /fixed/file: Read-only file system\n']);
  expect((await container.run(['rm', '-rf', '/fixed/none', '/mounted/file'])).exitCode).toBe(0);
});

test.each([
  ['is cut short', (bytes: Buffer) => bytes.subarray(0, 700)],
  ['is no archive', () => Buffer.alloc(1024, 'x')],
])('an archive that %s is an error', async (_what, damage) => {
  fill(container.root);
  const packed = await container.bytes(['tar', 'cf', '-', 'tree/deep/big']);
  const { exitCode, stderr } = await container.run(['tar', 'xf', '-'], { stdin: damage(packed) });
  expect([exitCode, stderr.startsWith('tar: ')]).toEqual([1, true]);
});
