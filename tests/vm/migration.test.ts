/**
 * A machine that serves HTTP moves between kubelets that are processes of their own. More of it under load, and QEMU's own migration of the same guest under the same load beside it:
 * `COXSWAIN_MOVES=100 node tests/run.ts vm tests/vm/migration.test.ts`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MigrationEndFigures, VirtualMachineMigration } from '#pkg/api/virtual-machine-migration.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { eventually, hookMs } from '#tests/e2e/running-cluster.ts';
import { MovingCluster, port } from './moving-cluster.ts';
import { moveQemuUnderLoad, moveUnderLoad } from './moving-load.ts';
import { qemuMovesMissing } from './qemu-moves.ts';
import { SteadyClient } from './steady-client.ts';

const { COXSWAIN_MOVES: asked } = process.env;
const moves = Number(asked ?? 1);
const isHeavy = asked !== undefined;
let moving: MovingCluster;

beforeAll(async () => {
  moving = await MovingCluster.start();
}, hookMs);

afterAll(async () => {
  await moving?.remove();
}, hookMs);

test('no client of a machine that moves live sees more than a wait', {
  timeout: 300_000 + moves * 60_000,
}, async () => {
  await moveUnderLoad(moving, { moves, isHeavy });
  expect(await moving.status('runs')).toBe('1');
});

const noQemu = isHeavy ? qemuMovesMissing : 'COXSWAIN_MOVES asks for them';
if (noQemu !== undefined) console.log(`Skipped: moves of QEMU: ${noQemu}`);
test.skipIf(noQemu !== undefined)(
  'QEMU moves the same guest under the same load',
  { timeout: 300_000 + moves * 30_000 },
  async () => {
    await moveQemuUnderLoad(moves);
  },
);

/** The machine's status says soon after its migration where it is: it is the same run. */
async function expectMovedFrom(node: string): Promise<void> {
  await eventually(
    () => moving.status('nodeName'),
    (now) => now !== node,
  );
  expect(await moving.status('runs')).toBe('1');
}

/** Puts what cannot be told in less into the machine's store. */
async function fill(server: string): Promise<void> {
  const random = new SeededRandom(1);
  for (let key = 0; key < 64; key++) {
    const body = Uint8Array.from({ length: 64 << 10 }, () => random.next() * 256);
    expect((await fetch(`${server}/${key}`, { method: 'PUT', body })).status).toBe(204);
  }
}

test('a machine that is suspended for its move goes on, with its connections, and comes back with what has changed', async () => {
  const before = await moving.status('nodeName');
  const host = await moving.status('address');
  await fill(`http://${host}:${port}`);
  const client = new SteadyClient({ host, port });
  await eventually(
    async () => client.seen.answers,
    (answers) => answers > 0,
  );
  const move = async (): Promise<void> => {
    const { code, stderr } = await moving.migrate('--mode', 'suspend');
    expect(code, stderr).toBe(0);
    const { answers } = client.seen;
    await eventually(
      async () => client.seen,
      (seen) => seen.answers > answers + 5 || seen.problems.length > 0,
    );
  };
  await move();
  await expectMovedFrom(before);
  await move();
  expect(await client.stop()).toMatchObject({ problems: [], connections: 1 });
  await eventually(
    () => moving.status('nodeName'),
    (now) => now === before,
  );
  // A node that has had it keeps what it was: little has changed when it comes back.
  const sent = await moving.sentBytes('suspend');
  expect(sent).toHaveLength(2);
  expect(sent[1]).toBeLessThan((sent[0] ?? 0) / 2);
});

test('a machine that moves cold boots at the other node', async () => {
  const before = await moving.status('nodeName');
  const { code, stderr } = await moving.migrate('--mode', 'cold');
  expect(code, stderr).toBe(0);
  await expectMovedFrom(before);
  // Where it listens is new to it: who asks at once may be refused.
  const host = await moving.status('address');
  await eventually(
    async () => {
      const client = new SteadyClient({ host, port });
      await eventually(
        async () => client.seen,
        ({ answers, problems }) => answers > 0 || problems.length > 0,
      );
      return client.stop();
    },
    ({ answers }) => answers > 0,
  );
});

test('a node that is drained has its machine moved', async () => {
  const before = await moving.status('nodeName');
  await moving.kubectl('drain', before, '--timeout=170s');
  await expectMovedFrom(before);
  await eventually(
    () => moving.status('evacuationNodeName'),
    (now) => now === '',
  );
  expect(await moving.kubectl('get', 'pods', '--field-selector', `spec.nodeName=${before}`, '-o', 'name')).toBe('');
  await moving.kubectl('uncordon', before);
});

test('a node is emptied of machines by one command', async () => {
  const before = await moving.status('nodeName');
  const { code, stdout, stderr } = await moving.cluster.coxswain(['vm', 'evacuate', before]);
  expect([code, stdout], stderr).toEqual([0, expect.stringMatching(/^store moved from \S+ to \S+: /)]);
  await expectMovedFrom(before);
  expect(await moving.kubectl('get', 'node', before, '-o', 'jsonpath={.spec.unschedulable}')).toBe('true');
  expect((await moving.cluster.coxswain(['vm', 'evacuate', before])).stdout).toContain('no machine runs on');
  expect((await moving.cluster.coxswain(['vm', 'evacuate', 'nowhere'])).stderr).toContain('there is no node "nowhere"');
  await moving.kubectl('uncordon', before);
});

test('all modes are compared, and the last move is reported with a picture', async () => {
  const modes = join(moving.folder, 'modes.svg');
  const compared = await moving.migrate('--all-modes', '--out', modes);
  expect(compared.code, compared.stderr).toBe(0);
  expect(readFileSync(modes, 'utf8')).toMatch(/^<svg [\s\S]*store: one move by each mode[\s\S]*<\/svg>\n$/);
  for (const mode of ['pre-copy', 'post-copy', 'hybrid', 'suspend'])
    expect(compared.stdout).toMatch(new RegExp(`^${mode} +\\d+ ms +[\\d.]+ ms `, 'm'));
  const file = join(moving.folder, 'move.svg');
  const reported = await moving.cluster.coxswain(['vm', 'report', 'store', '--out', file]);
  expect([reported.code, reported.stdout], reported.stderr).toEqual([
    0,
    expect.stringMatching(/^store: suspend from \S+ to \S+, succeeded\n[\s\S]*ROUND +PAGES/),
  ]);
  expect(readFileSync(file, 'utf8')).toMatch(/^<svg [\s\S]*store: suspend from[\s\S]*<\/svg>\n$/);
  const dots = join(moving.folder, 'move.png');
  expect(await moving.cluster.coxswain(['vm', 'report', 'store', '--out', dots])).toMatchObject({ code: 0 });
  expect(readFileSync(dots).toString('latin1', 1, 4)).toBe('PNG');
  const refused = await moving.cluster.coxswain(['vm', 'report', 'store', '--out', 'move.gif']);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('is made as .svg or .png')]);
});

/** Figures of the moves of a mode that were made so far, as their sources say them. */
async function figuresOf(mode: string): Promise<readonly MigrationEndFigures[]> {
  const text = await moving.kubectl('get', 'virtualmachinemigrations', '-o', 'json');
  const { items }: { items: readonly VirtualMachineMigration[] } = JSON.parse(text);
  const moves = items.filter(({ spec }) => spec?.mode === mode);
  expect(moves.length).toBeGreaterThan(0);
  return moves.map(({ status }) => status?.source?.figures ?? {});
}

test('what a migration cost the processor is in its figures', async () => {
  const live = await figuresOf('pre-copy');
  const costs = live.flatMap(({ classes = {} }) => Object.values(classes).map(({ cpuMs }) => cpuMs));
  expect(costs.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThan(0);
});

test('a post-copy sends a twentieth more than the memory in use at most', async () => {
  for (const { sentBytes = Number.POSITIVE_INFINITY, usedBytes = 0 } of await figuresOf('post-copy'))
    expect(sentBytes / usedBytes).toBeLessThan(1.05);
});

test('what cannot be is refused with the reason', async () => {
  const node = await moving.status('nodeName');
  const problemOf = async (...flags: readonly string[]) => (await moving.migrate(...flags)).stderr;
  expect(await problemOf('--to', node)).toContain(`the machine runs on the node "${node}" already`);
  expect(await problemOf('--to', 'nowhere')).toContain('there is no node "nowhere"');
  expect(await problemOf('--mode', 'slow')).toContain('there is no mode "slow"');
  expect(await problemOf('--out', 'move.svg')).toContain('--out goes with --all-modes');
  expect(await problemOf('--abort')).toContain('no migration of store is under way: it is Running');
});
