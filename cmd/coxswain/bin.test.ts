/** A Node that is too old is told so in one line, by the command and by whoever imports the package. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
/** Makes this Node say that it is another. */
const older = `data:text/javascript,${encodeURIComponent(
  "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '22.21.1' } });",
)}`;

function node(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['--import', older, ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** The command in a folder of its own, as an install without optional packages leaves it. */
async function installed(): Promise<{ readonly folder: string; readonly bin: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'coxswain-old-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const home = join(folder, 'node_modules', 'coxswain', 'cmd', 'coxswain');
  await mkdir(home, { recursive: true });
  const bin = join(home, 'bin.mjs');
  await copyFile(join(root, 'cmd/coxswain/bin.js'), bin);
  return { folder, bin };
}

test('the command refuses a Node that is too old where there is no other', async () => {
  const { bin } = await installed();
  expect(await node(bin, 'version')).toEqual({
    code: 1,
    stdout: '',
    stderr:
      'coxswain: Cannot run on Node 22.21.1: install Node 24 or newer, or run "npm install" with optional packages, which bring one\n',
  });
});

test('it hands over to the Node that an install brought', async () => {
  const { folder, bin } = await installed();
  await mkdir(join(folder, 'node_modules', '.bin'));
  await symlink(process.execPath, join(folder, 'node_modules', '.bin', 'node'));
  const compiled = join(folder, 'node_modules', 'coxswain', 'dist', 'cmd', 'coxswain');
  await mkdir(compiled, { recursive: true });
  await writeFile(join(compiled, 'main.js'), "console.log('handed over', process.argv.slice(2).join())");
  expect(await node(bin, 'version', '-o')).toEqual({ code: 0, stdout: 'handed over version,-o\n', stderr: '' });
});

test.each(['coxswain', 'testing', 'client'])('importing %s refuses it too', async (entry) => {
  const url = pathToFileURL(join(root, 'pkg', 'entry', `${entry}.ts`)).href;
  const { code, stderr } = await node('--input-type=module', '--eval', `await import(${JSON.stringify(url)})`);
  expect(code).toBe(1);
  expect(stderr).toContain('Cannot use coxswain on Node 22.21.1: run this with Node 24 or newer');
});
