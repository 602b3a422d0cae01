/**
 * A process is an entry in the table of components: one is really added here, with a main of its own, gets its certificate, connection and
 * configuration from its row, runs, and is started again when it is killed. What cannot start says why.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readProcessFile, stateOf } from '#cmd/common/process-files.ts';
import { ClusterFolder } from '#cmd/coxswain/folder.ts';
import { writeConfigurations } from '#cmd/coxswain/process-conf.ts';
import { processPlans } from '#cmd/coxswain/process-names.ts';
import { startProcess } from '#cmd/coxswain/start-process.ts';
import { Supervisor } from '#cmd/coxswain/supervisor.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { ensurePki } from '#pkg/cluster/pki.ts';
import { defaultSettings } from '#pkg/cluster/settings.ts';
import { type ClusterTables, clusterTables } from '#pkg/cluster/tables.ts';
import { text } from '#pkg/component/flags.ts';
import { root } from './source-files.ts';

const tables: ClusterTables = {
  ...clusterTables,
  components: {
    ...clusterTables.components,
    dummy: {
      folder: 'dummy',
      identity: { name: 'dummy', subject: () => ({ commonName: 'system:dummy' }) },
      perNode: false,
      opensSockets: false,
      flags: ({ kubeconfig }) => ({ kubeconfig }),
      options: async () => ({ greeting: text({ help: 'What is said.' }) }),
    },
  },
};

const imported = (path: string): string => JSON.stringify(join(root, path));

/** Notes what it was told, and runs until it is to stop. */
const main = `
import { appendFile } from 'node:fs/promises';
import { processMain } from ${imported('cmd/common/process-main.ts')};
import { text } from ${imported('pkg/component/flags.ts')};
await processMain({
  name: 'dummy',
  summary: 'A dummy.',
  flags: { kubeconfig: text({ help: 'Connection.' }), greeting: text({ help: 'What is said.' }) },
  wire: async (values) => ({
    run: async (signal) => {
      await appendFile(values.kubeconfig + '.said', values.greeting + '\\n');
      const timer = setInterval(() => {}, 1_000);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      clearInterval(timer);
    },
  }),
});
`;

async function prepare(greeting: string) {
  const path = await mkdtemp(join(tmpdir(), 'coxswain-process-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  const clock = new SystemClock();
  const folder = new ClusterFolder(path);
  const rootFolder = join(path, 'root');
  await mkdir(join(rootFolder, 'cmd', 'dummy'), { recursive: true });
  await writeFile(join(rootFolder, 'cmd', 'dummy', 'main.ts'), main);
  await writeFile(join(rootFolder, 'package.json'), '{ "type": "module" }');
  const settings = { ...defaultSettings, componentFlags: { dummy: { greeting } } };
  const pki = await ensurePki({
    folder: folder.pki,
    clock,
    nodeNames: ['dev-node-1'],
    hosts: [],
    components: tables.components,
  });
  await writeConfigurations({ folder, settings, logLevel: 'info', pki, server: 'https://127.0.0.1:1', tables });
  const plan = processPlans(settings, tables.components).find(({ name }) => name === 'dummy')!;
  return { folder, plan, place: { world: { clock, rootFolder }, folder } };
}

test('a process is an entry', { timeout: 120_000 }, async () => {
  const { folder, plan, place } = await prepare('hello');
  const stop = new AbortController();
  const first = await startProcess(place, plan, stop.signal);
  const pid = async () => (await readProcessFile(folder.processFile('dummy')))?.pid ?? 0;
  let restarts = 0;
  const supervisor = new Supervisor({
    clock: place.world.clock,
    start: (_name, signal) => startProcess(place, plan, signal),
    say: () => {},
    onChange: ({ dummy }) => {
      restarts = dummy?.restarts ?? 0;
    },
  });
  const kept = supervisor.run([first], stop.signal);
  const kubeconfig = join(folder.conf, 'dummy.kubeconfig');
  const said = (): Promise<string> => readFile(`${kubeconfig}.said`, 'utf8').catch(() => '');
  await expect.poll(said, { timeout: 120_000 }).toBe('hello\n');
  expect(existsSync(kubeconfig)).toBe(true);
  const before = await pid();
  process.kill(before, 'SIGKILL');
  await expect.poll(() => restarts, { timeout: 120_000 }).toBe(1);
  await expect.poll(said, { timeout: 120_000 }).toBe('hello\nhello\n');
  expect(await pid()).not.toBe(before);
  stop.abort();
  await kept;
  const last = (await readProcessFile(folder.processFile('dummy')))!;
  process.kill(last.pid, 'SIGTERM');
  await expect.poll(() => existsSync(folder.processFile('dummy')), { timeout: 120_000 }).toBe(false);
  // It may still write a last line, into a folder that is removed then.
  await expect.poll(() => stateOf(last), { timeout: 120_000 }).toBe('gone');
});

test('a process with a wrong flag says so, and nothing is left of it', async () => {
  const { folder, plan, place } = await prepare('hello');
  await writeFile(join(folder.conf, 'dummy.yaml'), 'greeting: 5\n');
  await expect(startProcess(place, plan, new AbortController().signal)).rejects.toThrow(
    `Cannot use the configuration file ${join(folder.conf, 'dummy.yaml')} as it is wrong: greeting: must be a string`,
  );
  expect(existsSync(folder.processFile('dummy'))).toBe(false);
});
