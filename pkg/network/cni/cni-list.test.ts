import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readCniList } from './cni-network.ts';
import { parseCniList } from './cni-plugins.ts';

const textOf = (name: string, plugins: readonly object[] = [{ type: 'ptp', mtu: 1400 }]): string =>
  JSON.stringify({ cniVersion: '0.4.0', name, plugins });

test('the first list of the folder by its name counts, and nothing else there', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-cni-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  expect(await readCniList(folder)).toBeUndefined();
  expect(await readCniList(join(folder, 'missing'))).toBeUndefined();
  for (const [file, name] of [
    ['20-later.conflist', 'later'],
    ['10-first.conflist', 'first'],
    ['00-other.conf', 'other'],
  ] as const)
    writeFileSync(join(folder, file), textOf(name));
  expect(await readCniList(folder)).toEqual({
    cniVersion: '0.4.0',
    name: 'first',
    plugins: [{ type: 'ptp', mtu: 1400 }],
  });
});

test.each([
  ['no JSON', '{', 'it needs cniVersion and name'],
  ['no list', '[]', 'it needs cniVersion and name'],
  ['a name that leads elsewhere', textOf('../x'), 'is no name of a network'],
  ['no plugins', textOf('x', []), 'it has no plugins'],
  ['a plugin that is elsewhere', textOf('x', [{ type: '../bin/sh' }]), 'which is the name of a program'],
])('a text with %s is refused in one line', (_, text, problem) => {
  expect(() => parseCniList(text, '/etc/cni/net.d/x.conflist')).toThrow(
    /^Cannot use \/etc\/cni\/net\.d\/x\.conflist as a CNI configuration list: /,
  );
  expect(() => parseCniList(text, 'x')).toThrow(problem);
});
