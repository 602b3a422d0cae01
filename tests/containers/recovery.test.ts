/** Kubelets that are killed: what they began is found by the next, or gone. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { root } from '#tests/tidy/source-files.ts';
import { Bench, noContainers, outputOf, script, start } from './real-containers.ts';

const whereThereAre = noContainers === undefined ? describe : describe.skip;

/** Deaths of a runtime in the middle of its work. */
const deaths = 20;

/** Starts a process that makes and removes containers without end, until it is killed; each step is a line of its output. */
function startChurn(folder: string): ChildProcess {
  const main = join(root, 'tests/containers/churn-main.ts');
  return spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** Kills it after so many lines. */
function killAfter(child: ChildProcess, lines: number): Promise<void> {
  let seen = 0;
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => resolve());
    child.stdout?.on('data', (text: Buffer) => {
      for (const byte of text) if (byte === 10) seen++;
      if (seen >= lines) child.kill('SIGKILL');
    });
  });
}

whereThereAre('a runtime after a death', () => {
  test('finds containers that run, hears of their ends, and reads all of their output', async () => {
    const bench = new Bench();
    const before = await bench.open();
    const running = await start(before, script('echo first; read line </dev/zero; exec sleep 1000'));
    const ending = await start(before, script('until [ -e /tmp/go ]; do sleep 0.05; done; echo last; exit 9'), {
      podUid: 'uid-2',
    });
    const unstarted = await before.containers.create(running.sandboxId, script('true', { name: 'unstarted' }));
    before.detach();

    const after = await bench.open();
    const found = await after.containers.list();
    expect(found.map(({ id, state }) => [id, state]).toSorted()).toEqual(
      [
        [running.id, 'running'],
        [ending.id, 'running'],
      ].toSorted(),
    );
    expect(await after.containers.status(unstarted)).toBeUndefined();
    const exit = new Promise((resolve) => {
      after.onExit(resolve);
    });
    await after.inspection.exec(ending.id, { command: ['touch', '/tmp/go'] });
    expect(await exit).toMatchObject({ id: ending.id, exitCode: 9 });
    expect(await outputOf(after, ending.id)).toEqual(['last']);
    await after.close();
    expect(await bench.remains()).toEqual([]);
    bench.remove();
  });

  test(`leaves nothing half made, wherever it was killed (${deaths} times)`, async () => {
    const bench = new Bench();
    const random = new SeededRandom(7);
    for (let death = 0; death < deaths; death++) await killAfter(startChurn(bench.folder), randomInt(random, 9));
    const after = await bench.open();
    for (const { state } of await after.containers.list()) expect(state).not.toBe('created');
    for (const { id } of await after.sandboxes.list()) await after.sandboxes.remove(id);
    expect(await after.containers.list()).toEqual([]);
    await after.close();
    expect(await bench.remains()).toEqual([]);
    bench.remove();
  });
});
