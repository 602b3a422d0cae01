/** The process of programs as its runtime sees it: what it does when that is silent, and what that does when it is gone. */
import { execFile, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { HostProcess } from './host-process.ts';

const isAlive = (pid: number): Promise<boolean> =>
  readFile(`/proc/${pid}/stat`, 'latin1').then(
    (stat) => !/\) Z/.test(stat),
    () => false,
  );

test('a host that was stopped is ended when it has not answered for 30 s (fault 53)', async () => {
  const clock = new VirtualClock();
  const host = new HostProcess({
    clock,
    owner: 'test',
    memoryBytesMax: 2 ** 30,
    message: () => false,
    output: () => false,
    stream: () => false,
  });
  process.kill(host.pid ?? 0, 'SIGSTOP');
  await clock.advance(40_000);
  let reason = '';
  void host.ended.then((why) => {
    reason = why;
  });
  // Its end takes time of the machine's and of the clock's.
  await expect.poll(async () => (await clock.advance(100)) ?? reason).toBe('did not answer for 30 s');
});

test('a host that cannot be started says so', async () => {
  const options = {
    clock: new SystemClock(),
    memoryBytesMax: 1,
    message: () => false,
    output: () => false,
    stream: () => false,
  };
  // An environment that the system does not take.
  const host = new HostProcess({ ...options, owner: 'x'.repeat(5_000_000) });
  expect(await host.ended).toMatch(/^could not be started: spawn E2BIG/);
  host.send({ type: 'kill', id: 1 });
  await host.close();
});

test('a host whose runtime was killed ends, with all that its programs have started (fault 61)', async () => {
  const modules = [
    '../inprocess-runtime.ts',
    '#pkg/base/clock.ts',
    '#pkg/base/random.ts',
    '../../../testing/configs.ts',
  ].map((name) => import.meta.resolve(name));
  const source = `
    const [{ createInProcessRuntime }, { SystemClock }, { SystemRandom }, { makeContainerConfig, makeSandboxConfig }] = await Promise.all(${JSON.stringify(modules)}.map((name) => import(name)));
    const { mkdtempSync, writeFileSync } = await import('node:fs');
    const dataDir = mkdtempSync('/tmp/coxswain-host-');
    writeFileSync(dataDir + '/program.mjs', "import { spawn } from 'node:child_process'; const c = spawn('sleep', ['301'], { detached: true }); console.log(process.pid, c.pid);");
    const runtime = createInProcessRuntime({ clock: new SystemClock(), random: new SystemRandom(), dataDir });
    const sandbox = await runtime.sandboxes.run(makeSandboxConfig());
    const config = makeContainerConfig({ image: 'file://' + dataDir + '/program.mjs' });
    const id = await runtime.containers.create(sandbox.id, config);
    await runtime.containers.start(id);
    for await (const { text } of runtime.inspection.logs(id, { follow: true })) console.log(dataDir, text);`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve) =>
    owner.stdout.once('data', (data: Buffer) => resolve(String(data))),
  );
  const [dataDir = '', ...pids] = line.trim().split(' ');
  const alive = () => Promise.all(pids.map((pid) => isAlive(Number(pid))));
  expect(await alive()).toEqual([true, true]);
  owner.kill('SIGKILL');
  await expect.poll(alive, { timeout: 90_000 }).toEqual([false, false]);
  await promisify(execFile)('rm', ['-rf', dataDir]);
});
