import { expect, test } from 'vitest';
import { newBank } from '../frames/frame-bank.ts';
import { newSeat, seatBytes } from '../frames/seat.ts';
import { createMachine } from '../machine.ts';
import type { MachineConfig } from '../machine-contract.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import type { BlockStore, MigrationSettings, Owner } from './contract.ts';
import { restoreImage, saveImage } from './image.ts';
import { introduce } from './introduction.ts';
import { Outbox } from './outbox.ts';
import type { PieceStore } from './piece-tree.ts';
import { createSource } from './source.ts';
import { createTarget } from './target.ts';
import { difference, type Fault, Rig, type RigOptions, restlessConfig, settings, twinOf } from './test-rig.ts';

const quiet = { bandwidth: 4_000_000, latencyMs: 1, instructionsPerMs: 2000, pieceBytes: () => 1400 };
const arbiter = { delayMs: () => 2, isLost: () => false };

interface More {
  readonly pause?: number;
  readonly faults?: readonly Fault[];
  readonly bandwidth?: number;
  readonly instructionsPerMs?: number;
  readonly stores?: { readonly source?: PieceStore; readonly target?: PieceStore };
  readonly disk?: BlockStore;
  readonly makeDisk?: (blocks: number) => BlockStore;
  readonly problem?: string;
  readonly room?: Pick<Parameters<typeof createTarget>[0], 'discard' | 'seat'>;
  readonly arbiter?: RigOptions['arbiter'];
}

const at = (pieces: PieceStore | undefined) => (pieces === undefined ? {} : { pieces });

function migrate(more: Partial<MigrationSettings>, extra: More = {}) {
  const { pause = 400, faults = [], stores = {}, disk, makeDisk, problem, room, ...rig } = extra;
  const config = restlessConfig({ regionKiB: 64, pause });
  const machine = createMachine(config);
  machine.run(200_000);
  const whole = { ...settings, ...more };
  const source = createSource({
    machine,
    config,
    settings: whole,
    ...at(stores.source),
    ...(disk === undefined ? {} : { disk }),
  });
  const target = createTarget({
    accept: () => problem,
    ...room,
    ...at(stores.target),
    ...(makeDisk === undefined ? {} : { makeDisk }),
  });
  const hosts = new Rig({ ...quiet, arbiter, ...rig });
  hosts.run({ machine, source, target }, { faults, limitMs: 60_000, isOff: more.mode === 'cold' });
  return { hosts, source, target, config };
}

/** What runs now is what an unmigrated machine is after as many instructions, and stays so. */
function expectTwin({ hosts, config }: ReturnType<typeof migrate>): void {
  const [host] = hosts.running;
  const machine = host!.machine!;
  for (const more of [0, 50_000]) {
    machine.run(more);
    const twin = twinOf(config, machine.counters.instructions);
    expect(difference(machine, twin)).toBeUndefined();
    machine.saveState();
    expect(machine.saveState().parts['machine']).toEqual(twin.saveState().parts['machine']);
  }
}

test.each(['pre-copy', 'post-copy', 'hybrid', 'suspend'] as const)('a machine is moved and goes on: %s', (mode) => {
  const all = migrate({ mode });
  const { hosts } = all;
  expect(hosts.source).toMatchObject({ outcome: 'completed', reason: '', machine: undefined });
  expect(hosts.target).toMatchObject({ outcome: 'completed', reason: '' });
  expect(hosts.running).toEqual([hosts.target]);
  expectTwin(all);
});

test('a machine that has come, and goes on from there, leaves its frames to the system', () => {
  const { memory } = restlessConfig({ regionKiB: 64, pause: 400 });
  const seat = newSeat(newBank(2 * seatBytes(memory)), { machine: 1, size: memory });
  let bytes = 0;
  const { hosts } = migrate(
    { mode: 'pre-copy' },
    {
      room: {
        seat,
        discard: (frames) => {
          bytes += frames.length;
        },
      },
    },
  );
  expect([hosts.target.outcome, bytes]).toEqual(['completed', 0]);
  const used = (hosts.target.machine?.pageUse?.owned ?? 0) * PAGE_SIZE;
  expect(used).toBeGreaterThan(64 << 10);
  hosts.target.machine?.release();
  expect(bytes).toBeGreaterThanOrEqual(used);
  expect(seat.bank.owners.includes(seat.machine)).toBe(false);
});

test.each(['pre-copy', 'post-copy', 'hybrid'] as const)(
  'an arbiter that takes a second delays no handover: %s',
  (mode) => {
    const all = migrate({ mode }, { arbiter: { delayMs: () => 500, isLost: () => false } });
    expect(all.hosts.running).toEqual([all.hosts.target]);
    expect(all.source.figures.downtimeMs).toBeLessThan(100);
    expectTwin(all);
  },
);

function pieceStore(): PieceStore {
  const pieces = new Map<string, Uint8Array>();
  return { read: (name) => pieces.get(name), write: (name, bytes) => void pieces.set(name, bytes) };
}

/** What is said before the memory: the kernel above all. */
function introductionBytes(config: MachineConfig): number {
  const out = new Outbox(0);
  introduce(out, { mode: 'suspend', config, blocks: 0, state: createMachine(config).saveState() });
  return out.sentBytes;
}

test('a saved machine that comes to a host it was on sends what changed', () => {
  const stores = { source: pieceStore(), target: pieceStore() };
  const first = migrate({ mode: 'suspend', compress: false }, { stores });
  const again = migrate({ mode: 'suspend', compress: false }, { stores: { target: stores.source } });
  expectTwin(again);
  const told = introductionBytes(again.config);
  expect(again.source.figures.sentBytes - told).toBeLessThan((first.source.figures.sentBytes - told) / 2);
});

function ramDisk(blocks: number): BlockStore & { readonly bytes: Uint8Array } {
  const bytes = new Uint8Array(blocks * 65_536);
  const dirty = new Set<number>();
  let isLogging = false;
  return {
    blocks,
    bytes,
    read: (block) => bytes.slice(block * 65_536, (block + 1) * 65_536),
    write(block, content) {
      bytes.set(content, block * 65_536);
      if (isLogging) dirty.add(block);
    },
    startDirtyLog() {
      isLogging = true;
    },
    takeDirty() {
      const taken = [...dirty].sort((a, b) => a - b);
      dirty.clear();
      return taken;
    },
    stopDirtyLog() {
      isLogging = false;
    },
  };
}

test.each(['pre-copy', 'post-copy', 'suspend', 'cold'] as const)('a disk moves with its machine: %s', (mode) => {
  const disk = ramDisk(5);
  for (let byte = 65_536; byte < disk.bytes.length; byte++) disk.bytes[byte] = (byte * byte) >> 7;
  const reads = disk.read;
  // Written while it is read, as a guest would.
  let written = 0;
  const busy = {
    ...disk,
    read(block: number) {
      const bytes = reads(block);
      if (written++ === 3 && mode === 'pre-copy') disk.write(4, new Uint8Array(65_536).fill(7));
      return bytes;
    },
  };
  const arrived = ramDisk(5);
  const { hosts } = migrate({ mode }, { disk: busy, makeDisk: () => arrived });
  expect(hosts.target.outcome).toBe('completed');
  expect(Buffer.compare(arrived.bytes, disk.bytes)).toBe(0);
});

test.each<[string, Partial<MigrationSettings>, More, string]>([
  ['a target without room', {}, { problem: 'it has 1 MiB free and the machine 2 MiB' }, 'it has 1 MiB free'],
  ['a target without a place for its disk', {}, { disk: ramDisk(1) }, 'it has no place for the disk'],
  [
    'a guest that is too fast',
    { roundsMax: 3, throttle: false, downtimeMs: 1 },
    { pause: 1, bandwidth: 150_000, instructionsPerMs: 400 },
    'after 3 rounds',
  ],
  [
    'somebody who ends it',
    {},
    { bandwidth: 100_000, faults: [{ atMs: 12, kind: 'abort-target' }] },
    'somebody wants it ended',
  ],
])('%s: the machine goes on where it was, and the reason is said', (_, more, extra, reason) => {
  const all = migrate(
    { ...more, bandwidth: extra.bandwidth ?? 4_000_000, compress: extra.bandwidth === undefined },
    extra,
  );
  expect(all.hosts.source).toMatchObject({ outcome: 'aborted', share: 1, reason: expect.stringContaining(reason) });
  expect(all.hosts.target).toMatchObject({ outcome: 'aborted', machine: undefined });
  expect(all.hosts.running).toEqual([all.hosts.source]);
  expectTwin(all);
});

test('a guest that is too fast is slowed down until it fits, or goes over to post-copy', () => {
  const fast = { pause: 260, bandwidth: 150_000, instructionsPerMs: 40 };
  const slow = migrate({ bandwidth: 150_000, compress: false, roundsMax: 3, downtimeMs: 60 }, fast);
  expect(slow.source.figures.throttle).toBeLessThan(1);
  expect(slow.hosts.target.outcome).toBe('completed');
  const hybrid = migrate({ mode: 'hybrid', bandwidth: 150_000, compress: false, roundsMax: 3, downtimeMs: 1 }, fast);
  expect(hybrid.source.figures).toMatchObject({ throttle: 1, rounds: { length: 5 } });
  expectTwin(hybrid);
});

test('post-copy sends each page once, whatever fetches it', () => {
  for (const [push, prePaging] of [
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ] as const) {
    const { source, target } = migrate({ mode: 'post-copy', compress: false, push, prePaging });
    const { sentBytes, usedBytes, faults, pushed, prePaged } = source.figures;
    expect(sentBytes / usedBytes).toBeLessThan(1.05);
    expect(prePaged > 0).toBe(prePaging && faults > 0 && prePaged > 0);
    expect(target.figures.usedBytes).toBe(usedBytes);
    expect(pushed + prePaged).toBeLessThanOrEqual(usedBytes / 4096);
  }
});

test('a source that lies, or a line that changes bytes, ends it with one line and leaves the machine where it was', () => {
  const config = restlessConfig({ regionKiB: 64, pause: 400 });
  const machine = createMachine(config);
  machine.run(200_000);
  const sent: Uint8Array[] = [];
  const talk = (change: (bytes: Uint8Array) => Uint8Array) => {
    const source = createSource({ machine, config, settings });
    const target = createTarget({ accept: () => undefined });
    let toTarget: Uint8Array[] = [];
    let toSource: Uint8Array[] = [];
    const ended: string[] = [];
    const claims: string[] = [];
    const asked: Owner[] = [];
    const atMs: Record<string, number> = {};
    const take = (effects: ReturnType<typeof source.on>, to: Uint8Array[], nowMs: number): void => {
      for (const effect of effects) {
        atMs[effect.type === 'claim' ? effect.owner : effect.type] = nowMs;
        if (effect.type === 'send') to.push(effect.bytes);
        if (effect.type === 'ended') ended.push(effect.reason);
        if (effect.type !== 'claim') continue;
        claims.push(effect.owner);
        asked.push(effect.owner);
      }
    };
    take(source.on({ type: 'start', nowMs: 0 }), toTarget, 0);
    for (let nowMs = 10; nowMs < 500; nowMs += 10) {
      const [there, back] = [toTarget, toSource];
      toTarget = [];
      toSource = [];
      for (const bytes of there) {
        sent.push(bytes);
        take(target.on({ type: 'received', bytes: change(bytes), nowMs }), toSource, nowMs);
      }
      for (const owner of asked.splice(0)) take(target.on({ type: 'claimed', owner, nowMs }), toSource, nowMs);
      for (const bytes of back) take(source.on({ type: 'received', bytes, nowMs }), toTarget, nowMs);
      for (const [end, to] of [
        [target, toSource],
        [source, toTarget],
      ] as const)
        take(end.on({ type: 'tick', nowMs }), to, nowMs);
      take(source.on({ type: 'sent', waitingBytes: 0, nowMs }), toTarget, nowMs);
    }
    return { ended, claims, atMs };
  };
  const { claims: whole, atMs } = talk((bytes) => bytes);
  expect(whole).toEqual(['handover', 'target', 'source']);
  // What only has to be written down is so once the handover is over.
  for (const owner of ['target', 'source']) expect((atMs[owner] ?? 0) - (atMs['activate'] ?? 0)).toBeGreaterThan(50);
  let changedBytes = 0;
  const frames = sent.splice(0).length;
  for (let frame = 0; frame < frames; frame++) {
    for (const part of [0, 0.1, 0.5, 0.99]) {
      let count = 0;
      const { claims, ended } = talk((bytes) => {
        if (count++ !== frame) return bytes;
        const changed = bytes.slice();
        const place = Math.floor(part * bytes.length);
        changed[place] = (changed[place] ?? 0) ^ 0x15;
        changedBytes++;
        return changed;
      });
      // A length that is too small for what follows, or too great, is waited for: the host ends that.
      if (part > 0) expect(claims, `frame ${frame} at ${part}`).not.toContain('target');
      for (const reason of ended) expect(reason).toMatch(/^[^\n]+$/);
    }
  }
  expect(changedBytes).toBeGreaterThan(10);
});

test('a machine becomes bytes and goes on of them, twice', () => {
  const config = restlessConfig({ regionKiB: 64, pause: 400 });
  const machine = createMachine(config);
  machine.run(100_000);
  const image = saveImage(machine);
  expect(image.length).toBeLessThan(20_000);
  machine.run(100_000);
  for (const clone of [restoreImage(config, image), restoreImage(config, image)]) {
    clone.run(100_000);
    expect(difference(clone, machine)).toBeUndefined();
  }
  expect(() => restoreImage(config, image.subarray(0, image.length - 1))).toThrow(
    'Cannot restore the machine: the image has no end',
  );
  expect(() => restoreImage({ ...config, memory: 2 << 20 }, image)).toThrow('Cannot re');
});
