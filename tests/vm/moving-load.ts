/**
 * Migrations under load, as its clients see them: the machine is asked all the time, straight at the address that it had when it began and through its Service, over connections that stay and over one for
 * each question. What a handover costs is the longest that one of the clients waits meanwhile; what that is on this machine without any handover is printed beside it, of as many answers.
 */
import { expect } from 'vitest';
import { type MovingCluster, port } from './moving-cluster.ts';
import { QemuFailure, QemuMoves } from './qemu-moves.ts';
import { NoAnswers, SteadyLoad, type Waits, waitsText } from './steady-load.ts';

/** How a machine moves while it runs. */
const liveModes = ['pre-copy', 'post-copy', 'hybrid'] as const;

/**
 * Moves the machine so many times in each live mode, and prints what the clients saw; with `wrk` that loads it besides, where that is installed. Fails with the first question that had no answer, or
 * another connection.
 */
export async function moveUnderLoad(
  moving: MovingCluster,
  { moves, isHeavy }: { readonly moves: number; readonly isHeavy: boolean },
): Promise<void> {
  const service = await moving.kubectl('get', 'service', 'store', '-o', 'jsonpath={.spec.clusterIP}');
  const address = await moving.status('address');
  const load = loadOn({ host: service, port }, { first: address, isHeavy });
  const waits = new Map<(typeof liveModes)[number], Waits>(liveModes.map((mode) => [mode, { moving: [], atRest: [] }]));
  try {
    for (let move = 0; move < moves; move++)
      for (const [mode, own] of waits)
        await load.measure(() => (isHeavy ? moving.move(mode) : migrate(moving, mode)), {
          moves: 1,
          looksAtRest: isHeavy,
          waits: own,
        });
  } finally {
    for (const [mode, own] of waits) console.log(waitsText(mode, own.moving));
    if (isHeavy)
      console.log(
        waitsText(
          'at rest between',
          [...waits.values()].flatMap(({ atRest }) => atRest),
        ),
      );
    const { all, text } = await load.stop();
    expect(all.seen.slice(0, -1).map(({ connections }) => connections)).toEqual([1, 1]);
    if (text !== undefined) expectCalm(text);
  }
}

/** The same of QEMU's own migration of the same guest, by pre-copy; its clients are on the guest's network. A guest that QEMU has lost is counted, and started anew. */
export async function moveQemuUnderLoad(moves: number): Promise<void> {
  const waits: Waits = { moving: [], atRest: [] };
  const saysMs: number[] = [];
  let lost = 0;
  while (waits.moving.length < moves && lost < moves) {
    const qemu = new QemuMoves(saysMs);
    try {
      await moveQemu(qemu, moves - waits.moving.length, waits);
    } catch (error) {
      // One that runs and answers nobody is lost as well.
      if (!(error instanceof QemuFailure || error instanceof NoAnswers)) throw error;
      lost++;
    } finally {
      await qemu.stop();
    }
  }
  console.log(waitsText('QEMU, pre-copy', waits.moving));
  console.log(waitsText('QEMU, at rest between', waits.atRest));
  console.log(waitsText('QEMU, as it says itself', saysMs));
  if (lost > 0) console.log(`QEMU lost the guest in ${lost} further moves`);
}

async function moveQemu(qemu: QemuMoves, moves: number, waits: Waits): Promise<void> {
  await qemu.start();
  const { host, port: there, within } = qemu;
  const load = loadOn({ host, port: there }, { first: host, isHeavy: true, within });
  try {
    for (let at = 0; at < moves; at++) await load.measure(await qemu.prepare(), { moves: 1, looksAtRest: true, waits });
  } finally {
    await load.end();
  }
}

/** The load is `wrk`'s; each of the clients sees another way to the machine: straight, where it was first, and by its Service, over a connection that stays and over one for each question. More of them would wait for each other. */
function loadOn(
  { host, port }: { readonly host: string; readonly port: number },
  {
    first,
    isHeavy,
    within = [],
  }: { readonly first: string; readonly isHeavy: boolean; readonly within?: readonly string[] },
): SteadyLoad {
  return new SteadyLoad({
    within,
    clients: [
      { host: first, port },
      { host, port },
      { host, port, isFresh: true },
    ],
    ...(isHeavy ? { url: `http://${host}:${port}/healthz` } : {}),
  });
}

async function migrate(moving: MovingCluster, mode: string): Promise<void> {
  const { code, stdout, stderr } = await moving.migrate('--mode', mode);
  expect([code, stdout], `${mode}: ${stderr}`).toEqual([0, expect.stringMatching(/^store moved from \S+ to \S+: /)]);
}

/** Fails where `wrk` says that connections broke or answers were other than good. */
export function expectCalm(text: string): void {
  console.log(text);
  expect(text).toMatch(/[1-9]\d* requests in/);
  expect(text).not.toMatch(/Socket errors|Non-2xx/);
}
