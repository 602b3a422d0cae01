import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { defaultSettings } from '#pkg/cluster/settings.ts';
import { ClusterFolder } from './folder.ts';
import { lastLines, logs } from './logs.ts';
import { systemWorld } from './world.ts';

/** A cluster that does not run, with these logs, and how it is asked for them. */
async function clusterWith(texts: Readonly<Record<string, string>>) {
  const path = mkdtempSync(join(tmpdir(), 'coxswain-logs-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  const folder = new ClusterFolder(path);
  await folder.write({ settings: defaultSettings });
  mkdirSync(folder.logs);
  for (const [name, text] of Object.entries(texts)) writeFileSync(folder.logFile(name), text);
  return async (...args: readonly string[]): Promise<string> => {
    let written = '';
    const write = (text: string): void => {
      written += text;
    };
    expect(await logs({ ...systemWorld(), write }, [...args, '--data-dir', path])).toBe(0);
    return written;
  };
}

test('logs are printed whole or their last lines, each under its name where there are several', async () => {
  const ask = await clusterWith({ kubelet: 'a\nb\nc\n', 'kube-proxy': 'x\n' });
  expect(await ask()).toBe('==> kube-proxy <==\nx\n==> kubelet <==\na\nb\nc\n');
  expect(await ask('kubelet')).toBe('a\nb\nc\n');
  expect(await ask('kubelet', '--tail', '2')).toBe('b\nc\n');
  await expect(ask('kublet')).rejects.toThrow('Cannot find a log of "kublet": there are those of kube-proxy, kubelet');
});

test('where there are none it is said why', async () => {
  const ask = await clusterWith({});
  await expect(ask()).rejects.toThrow(
    /^Cannot find logs in .*: a cluster that runs in a terminal writes to that alone$/,
  );
});

test.each([
  ['', 1, ''],
  ['a', 1, 'a'],
  ['a\nb', 1, 'b'],
  ['a\nb\n', 1, 'b\n'],
  ['a\nb\n', 2, 'a\nb\n'],
  ['a\nb\n', 9, 'a\nb\n'],
  ['\n\n', 1, '\n'],
  ['\na\n', 2, '\na\n'],
])('the last lines of %j: %i are %j', (text, lines, expected) => {
  expect(lastLines(text, lines)).toBe(expected);
});
