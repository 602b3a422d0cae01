/** What comes before the command: a Node that is too old is told so in one line, and what needs nothing else is answered at once. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
/** Makes this Node say that it is another. */
const older = `data:text/javascript,${encodeURIComponent(
  "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '22.21.1' } });",
)}`;

const node = (...args: readonly string[]) => execute('--import', older, ...args);

function execute(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** The command in a folder of its own, as an install without optional packages leaves it. */
async function installed(): Promise<{ readonly folder: string; readonly bin: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'coxswain-old-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const home = join(folder, 'node_modules', 'coxswain');
  for (const path of ['cmd/coxswain', 'cmd/common']) await mkdir(join(home, path), { recursive: true });
  await writeFile(join(home, 'package.json'), '{"type":"module"}');
  for (const path of ['cmd/coxswain/bin.js', 'cmd/common/load-code.js', 'cmd/common/node-flags.js'])
    await copyFile(join(root, path), join(home, path));
  return { folder, bin: join(home, 'cmd/coxswain/bin.js') };
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
  await writeFile(join(compiled, 'command.js'), "console.log('handed over', process.argv.slice(2).join())");
  expect(await node(bin, 'version', '-o')).toEqual({ code: 0, stdout: 'handed over version,-o\n', stderr: '' });
});

test.each(['coxswain', 'testing', 'client'])('importing %s refuses it too', async (entry) => {
  const url = pathToFileURL(join(root, 'pkg', 'entry', `${entry}.ts`)).href;
  const { code, stderr } = await node('--input-type=module', '--eval', `await import(${JSON.stringify(url)})`);
  expect(code).toBe(1);
  expect(stderr).toContain('Cannot use coxswain on Node 22.21.1: run this with Node 24 or newer');
});

/** Makes Node write to standard error which files it loads. */
const telling = `data:text/javascript,${encodeURIComponent(
  "import { registerHooks } from 'node:module'; registerHooks({ load(url, context, next) { process.stderr.write(url + '\\n'); return next(url, context); } });",
)}`;

test.each(['version', '--version'])('%s loads three small files and nothing else (fault 48)', async (argument) => {
  const { stdout, stderr } = await execute('--import', telling, join(root, 'cmd/coxswain/bin.js'), argument);
  expect(stdout).toMatch(/^coxswain \d+\.\d+\.\d+ \(Kubernetes v1\.\d+\.\d+, Node \d+\.\d+\.\d+\)\n$/);
  const loaded = stderr.split('\n').filter((url) => url.startsWith('file:'));
  expect(loaded.map((url) => relative(root, fileURLToPath(url)))).toEqual([
    'cmd/coxswain/bin.js',
    'cmd/coxswain/version-line.js',
    'pkg/cluster/release.js',
  ]);
  // Not even that of Node's which all of it would need: the promises of `node:fs`, or the streams of standard output.
  expect(stderr.split('\n').filter((url) => url.startsWith('node:'))).toEqual(['node:path', 'node:url']);
});

test('version -o json and yaml say the same', async () => {
  const bin = join(root, 'cmd/coxswain/bin.js');
  const { code, stdout } = await execute(bin, 'version', '-o', 'json');
  const versions = JSON.parse(stdout);
  expect([code, Object.keys(versions), versions.node]).toEqual([
    0,
    ['coxswain', 'kubernetes', 'node'],
    process.versions.node,
  ]);
  expect((await execute(bin, 'version', '-o', 'yaml')).stdout).toContain(`\nkubernetes: ${versions.kubernetes}\n`);
});

test('version refuses what it does not know', async () => {
  const bin = join(root, 'cmd/coxswain/bin.js');
  expect(await execute(bin, 'version', 'now')).toMatchObject({
    code: 1,
    stderr: 'coxswain: unexpected argument: now (see "coxswain version --help")\n',
  });
  expect(await execute(bin, 'version', '--short')).toMatchObject({
    code: 1,
    stderr: 'coxswain: unknown flag: --short (see "coxswain version --help")\n',
  });
});
