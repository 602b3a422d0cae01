/** Which code a start loads: the bundle as long as it says what the sources do. */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { bundleInputsFile, fileMark } from './load-code.js';

/** The module of a file, as each process has one of its own. */
async function moduleAt(path: string, process: number) {
  return (await import(`${pathToFileURL(path).href}?process=${process}`)) as typeof import('./load-code.js');
}

/** A folder that has the module and these files; gives what the module loads there. */
async function placed(files: Readonly<Record<string, string>>) {
  const root = await mkdtemp(join(tmpdir(), 'coxswain-code-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  for (const [path, text] of Object.entries({ 'package.json': '{"type":"module"}', ...files })) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  const own = join(root, 'cmd/common/load-code.js');
  await mkdir(dirname(own), { recursive: true });
  await copyFile(join(import.meta.dirname, 'load-code.js'), own);
  let starts = 0;
  // A process looks once: each time it is another module.
  const load = async (entry: string) => {
    const { loadCode } = await moduleAt(own, ++starts);
    return (await loadCode(entry, async () => ({ from: 'sources' }))) as { readonly from: string };
  };
  return { root, from: async (entry = 'command') => (await load(entry)).from };
}

const source = 'cmd/common/errors.ts';

test('a checkout runs its bundle until one of its sources changes', async () => {
  const { root, from } = await placed({
    [source]: '1',
    '.cache/bundle/made/command.js': "export const from = 'bundle';",
  });
  expect(await from()).toBe('sources');
  const inputs = { folder: 'made', files: { [source]: fileMark(join(root, source)) }, entries: { command: [0] } };
  await writeFile(join(root, '.cache/bundle', bundleInputsFile), JSON.stringify(inputs));
  expect(await from()).toBe('bundle');
  await writeFile(join(root, source), '22');
  expect(await from()).toBe('sources');
  await rm(join(root, source));
  expect(await from()).toBe('sources');
});

test('what an entry never comes to may change', async () => {
  const small = 'cmd/small/main.ts';
  const text = "export const from = 'bundle';";
  const { root, from } = await placed({
    ...{ [source]: '1', [small]: '1' },
    ...{
      '.cache/bundle/made/command.js': text,
      '.cache/bundle/made/small.js': text,
      '.cache/bundle/made/unnamed.js': text,
    },
  });
  const files = Object.fromEntries([source, small].map((path) => [path, fileMark(join(root, path))]));
  const inputs = { folder: 'made', files, entries: { command: [0, 1], small: [1] } };
  await writeFile(join(root, '.cache/bundle', bundleInputsFile), JSON.stringify(inputs));
  await writeFile(join(root, source), '22');
  expect(await from('small')).toBe('bundle');
  expect(await from('command')).toBe('sources');
  // Nobody has said what it comes to: everything counts.
  expect(await from('unnamed')).toBe('sources');
  await writeFile(join(root, small), '22');
  expect(await from('small')).toBe('sources');
});

test('what the bundle does not have comes from its sources', async () => {
  const { from } = await placed({ 'dist/bundle/testing.js': "export const from = 'bundle';" });
  expect(await from()).toBe('sources');
});

test('a package runs the bundle that it came with', async () => {
  const { from } = await placed({ 'dist/bundle/command.js': "export const from = 'bundle';" });
  expect(await from()).toBe('bundle');
});

test('a list that an install of before has left counts as a whole', async () => {
  const { root, from } = await placed({
    [source]: '1',
    '.cache/bundle/made/command.js': "export const from = 'bundle';",
  });
  const inputs = { folder: 'made', files: { [source]: fileMark(join(root, source)) } };
  await writeFile(join(root, '.cache/bundle', bundleInputsFile), JSON.stringify(inputs));
  expect(await from()).toBe('bundle');
  await writeFile(join(root, source), '22');
  expect(await from()).toBe('sources');
});

test('a list of sources that cannot be read makes no bundle', async () => {
  const { from } = await placed({ [source]: '1', '.cache/bundle/inputs.json': '{' });
  expect(await from()).toBe('sources');
});

test('a process loads what another has found for it, without a look at the sources', async () => {
  const { root } = await placed({ [source]: '1', 'made/command.js': "export const from = 'bundle';" });
  const { foundBundle, loadCode, useBundle } = await moduleAt(join(root, 'cmd/common/load-code.js'), 1);
  const folder = new URL('made/', pathToFileURL(`${root}/`));
  useBundle(folder);
  expect(foundBundle('command')).toBe(folder);
  expect(await loadCode('command', async () => ({ from: 'sources' }))).toMatchObject({ from: 'bundle' });
  useBundle(undefined);
  expect(await loadCode('command', async () => ({ from: 'sources' }))).toEqual({ from: 'sources' });
});
