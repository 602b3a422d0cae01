/**
 * The threads' part of migrations over real connections that are cut at chance bytes: the machine runs at one place afterwards, and is what a machine that was never moved is after as many instructions.
 * Two cuts a mode; more by `COXSWAIN_CUTS=50 node tests/run.ts vm tests/vm/migration-cuts`.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import process from 'node:process';
import { afterEach, expect, test, vi } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { GuestHost } from '#pkg/kubelet/runtime/vm/guest/guest-host.ts';
import type { LinkIdentity } from '#pkg/kubelet/runtime/vm/guest/link.ts';
import { Moves } from '#pkg/kubelet/runtime/vm/guest/moves.ts';
import type { FromGuest, GuestStart, MigrationSide } from '#pkg/kubelet/runtime/vm/guest/protocol.ts';
import { issueAuthority, issueLeaf } from '#pkg/pki/certificate.ts';
import type { Owner } from '#pkg/vmm/migration/contract.ts';
import { difference, ownerAfter, restlessConfig, settings, twinOf } from '#pkg/vmm/migration/test-rig.ts';

const cutsOfMode = Number(process.env.COXSWAIN_CUTS ?? 2);
const modes = ['pre-copy', 'post-copy', 'hybrid', 'suspend'] as const;
const loopback = '127.0.0.1';
const mac = Uint8Array.of(2, 0, 0, 0, 0, 7);
const config = { ...restlessConfig({ regionKiB: 128, pause: 400, engine: 'compile' }), mac };
const clock = new SystemClock();

const authority = issueAuthority({ subject: { commonName: 'cluster' }, nowMs: Date.now(), validDays: 1 });

function identityOf(node: string): LinkIdentity {
  const subject = { commonName: `system:node:${node}`, organizations: ['system:nodes'] };
  const leaf = issueLeaf(authority, { subject, nowMs: Date.now(), validDays: 1, usage: 'client' });
  return { certificate: leaf.certificate, key: leaf.key, authority: authority.certificate };
}

const identities = { source: identityOf('source'), target: identityOf('target') };
const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

type Ended = Extract<FromGuest, { readonly type: 'migration' }>;

/** Who has said first that the machine is its. */
class Arbiter {
  #owner: Owner | undefined;

  claim(side: MigrationSide, wanted: Owner): Owner {
    this.#owner = ownerAfter(this.#owner, { side, wanted, isTargetDead: false });
    return this.#owner;
  }
}

/** One node's thread, on this one. */
function place(side: MigrationSide, arbiter: Arbiter) {
  const ended = Promise.withResolvers<Ended>();
  const start: GuestStart = {
    kernel: config.kernel,
    memoryBytes: config.memory,
    commandLine: config.commandLine,
    mac,
    address: loopback,
    ports: [],
    // So that a machine that was never moved comes as far in little time.
    share: 0.02,
    ...(side === 'target' ? { waits: true as const } : {}),
  };
  const tell = (message: FromGuest): void => {
    if (message.type === 'claim') moves.claimed(arbiter.claim(side, message.owner));
    if (message.type === 'migration' && message.outcome !== undefined) ended.resolve(message);
  };
  const host = new GuestHost({ start, clock, tell, end: () => undefined });
  const moves = new Moves({ host, start, clock, tell });
  closers.push(() => host.loop?.stop());
  return { host, moves, ended: ended.promise };
}

/** Carries bytes to a port; once so many have gone by, in both directions together, it ends the connection at that byte, and carries later ones whole. */
async function wire(port: number, cutAfterBytes: number) {
  const open = new Set<Socket>();
  const carried = { bytes: 0 };
  const server: Server = createServer((near) => {
    const far = connect({ host: loopback, port });
    const carry = (from: Socket, to: Socket): void => {
      open.add(from);
      from.on('error', () => undefined);
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
      from.on('data', (bytes: Buffer) => {
        const left = cutAfterBytes - carried.bytes;
        carried.bytes += bytes.length;
        if (left < 0 || bytes.length < left) to.write(bytes);
        else to.write(bytes.subarray(0, left), () => from.destroy());
      });
    };
    carry(near, far);
    carry(far, near);
  });
  await new Promise<void>((resolve) => server.listen(0, loopback, resolve));
  closers.push(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  const address = server.address();
  return { carried, port: typeof address === 'object' && address !== null ? address.port : 0 };
}

async function migrate(mode: (typeof modes)[number], cutAfterBytes: number) {
  const arbiter = new Arbiter();
  const [source, target] = [place('source', arbiter), place('target', arbiter)];
  const migration = `${mode} ${cutAfterBytes}`;
  const common = { migration, host: loopback };
  const arrival = { ...common, isStandby: false, sourceNode: 'source', node: 'target', identity: identities.target };
  const { port, carried } = await wire(await target.moves.receive(arrival), cutAfterBytes);
  await source.moves.migrate({
    ...common,
    target: { host: loopback, port, node: 'target' },
    node: 'source',
    identity: identities.source,
    settings: { ...settings, mode, bandwidth: 16_000_000, roundsMax: 4, downtimeMs: 1000 },
  });
  const { outcome } = await source.ended;
  if (outcome === 'completed') expect(await target.ended).toMatchObject({ outcome });
  return { source: source.host, target: target.host, outcome, carriedBytes: carried.bytes };
}

test.each(modes)(
  'wherever the connection is cut, one machine runs: %s',
  { timeout: 120_000 + cutsOfMode * 30_000 },
  async (mode) => {
    const whole = await migrate(mode, Number.POSITIVE_INFINITY);
    expect(whole.outcome).toBe('completed');
    const random = new SeededRandom(whole.carriedBytes);
    for (let cut = 0; cut < cutsOfMode; cut++) {
      // One in each stretch of the whole length.
      const afterBytes = Math.floor(((cut + random.next()) * whole.carriedBytes) / cutsOfMode);
      const { source, target, outcome } = await migrate(mode, afterBytes);
      const text = `${mode}, cut after ${afterBytes} of ${whole.carriedBytes} bytes: ${outcome}`;
      const [here, there] = outcome === 'completed' ? [target, source] : [source, target];
      // The other end hears of it in its own time.
      await vi.waitFor(() => expect([there.machine, here.loop?.isPaused], text).toEqual([undefined, false]), {
        timeout: 60_000,
      });
      const { machine } = here;
      if (machine === undefined) throw new Error(`${text}: no machine runs`);
      here.loop?.pause('user');
      expect(difference(machine, twinOf(config, machine.counters.instructions)), text).toBeUndefined();
    }
  },
);
