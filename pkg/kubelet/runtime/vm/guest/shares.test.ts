/** What a machine's wire and disk carry, on virtual time. */
import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { DiskRequest, Machine } from '#pkg/vmm/machine-contract.ts';
import { DiskService } from './disk-service.ts';
import { GuestDisk } from './guest-disk.ts';
import { ShapedWire } from './shaped-wire.ts';
import { earliest, Share } from './share.ts';

test('over any time no more of a share is taken than comes in it, and the burst', () => {
  const share = new Share({ perSecond: 1000, burst: 100 });
  let taken = 0;
  for (let nowMs = 0; nowMs < 10_000; nowMs++) {
    while (share.waitMs(nowMs) === 0) {
      share.take(30);
      taken += 30;
    }
    expect(taken).toBeLessThanOrEqual(100 + nowMs + 30);
  }
  expect(taken).toBeGreaterThan(9_900);
  // Who waits as long as is said finds some.
  expect(share.waitMs(10_000 + share.waitMs(10_000))).toBe(0);
  expect(earliest([undefined, 5, 3])).toBe(3);
  expect(earliest([undefined])).toBeUndefined();
});

/** A wire whose other end has frames of a thousand bytes without end, and keeps what it is given. */
function wire(bandwidth: { readonly toPod?: number; readonly fromPod?: number }) {
  const clock = new VirtualClock();
  const received: Uint8Array[] = [];
  let offered = 0;
  const end = {
    tick: () => undefined,
    flush: (deliver: (frame: Uint8Array) => boolean) => {
      while (deliver(new Uint8Array(1000))) offered++;
    },
    receive: (frame: Uint8Array) => void received.push(frame),
  };
  return { clock, received, offered: () => offered, shaped: new ShapedWire(end, { clock, bandwidth }) };
}

test('what comes for a guest waits at the other end when the guest has had its share', async () => {
  const { clock, shaped, offered } = wire({ toPod: 800_000 });
  let taken = 0;
  const take = (): boolean => {
    taken++;
    return true;
  };
  shaped.flush(take);
  const burst = taken;
  expect(burst).toBe(66);
  for (let second = 0; second < 3; second++) {
    const dueMs = shaped.dueMs(clock.monotonicMs()) ?? 0;
    expect(dueMs).toBeGreaterThan(clock.monotonicMs());
    await clock.advance(1000);
    shaped.flush(take);
  }
  expect(taken - burst).toBeLessThanOrEqual(3 * 66);
  expect(offered()).toBe(taken);
  expect(shaped.counts).toEqual({ networkInBytes: taken * 1000, networkOutBytes: 0, framesLost: 0 });
});

test('what a guest sends beyond its share waits a while, in order, and is lost beyond that', async () => {
  const { clock, shaped, received } = wire({ fromPod: 800_000 });
  const frames = Array.from({ length: 200 }, (_, number) => Uint8Array.from({ length: 1000 }, () => number));
  for (const frame of frames) shaped.receive(frame);
  expect(received).toHaveLength(66);
  expect(shaped.counts.framesLost).toBe(200 - 66 - 65);
  for (let step = 0; step < 100; step++) {
    await clock.advance(Math.max(1, (shaped.dueMs(clock.monotonicMs()) ?? 0) - clock.monotonicMs()));
    shaped.tick(clock.monotonicMs());
  }
  expect(received.map(([number]) => number)).toEqual(Array.from({ length: 131 }, (_, number) => number));
  expect(shaped.dueMs(clock.monotonicMs())).toBeUndefined();
  expect(clock.monotonicMs()).toBeGreaterThan(600);
});

test('without limits nothing waits and all is counted', () => {
  const { shaped, received } = wire({});
  for (let count = 0; count < 500; count++) shaped.receive(new Uint8Array(100));
  expect(received).toHaveLength(500);
  expect(shaped.counts).toEqual({ networkInBytes: 0, networkOutBytes: 50_000, framesLost: 0 });
});

/** A machine that asks for what it is told to, and what was answered. */
function asking() {
  let asked: DiskRequest[] = [];
  const answers: { readonly id: number; readonly ok: boolean; readonly data?: Uint8Array }[] = [];
  const machine: Pick<Machine, 'finishDiskRequest' | 'takeDiskRequests'> = {
    takeDiskRequests: () => asked.splice(0),
    finishDiskRequest: (id, answer) => void answers.push({ id, ...answer }),
  };
  return { machine, answers, ask: (...requests: DiskRequest[]) => (asked = requests) };
}

test('a disk answers as much as its machine may ask, in order, and keeps the rest', () => {
  const { machine, answers, ask } = asking();
  const service = new DiskService({ requestsPerSecond: 10 });
  const disk = new GuestDisk(new Uint8Array(8 * 512));
  service.use(disk);
  const data = new Uint8Array(512).fill(7);
  ask(
    { id: 1, kind: 'write', sector: 1, length: 512, data },
    { id: 2, kind: 'read', sector: 1, length: 512 },
    { id: 3, kind: 'flush', sector: 0, length: 0 },
    { id: 4, kind: 'read', sector: 8, length: 512 },
  );
  const ids = () => answers.map(({ id }) => id);
  expect(service.serve(machine, 0)).toBe(true);
  expect(ids()).toEqual([1]);
  expect(service.dueMs(0)).toBe(1);
  service.serve(machine, 1);
  expect(service.serve(machine, 50)).toBe(false);
  expect(service.dueMs(50)).toBe(101);
  for (const nowMs of [101, 202, 303]) service.serve(machine, nowMs);
  expect(ids()).toEqual([1, 2, 3, 4]);
  expect(answers[1]?.data).toEqual(data);
  expect(answers[3]?.ok).toBe(false);
  expect(service.dueMs(303)).toBeUndefined();
  expect(service.counts).toEqual({ diskReadBytes: 512, diskWrittenBytes: 512, diskRequests: 4, diskRequestsHeld: 3 });
});

test('bytes of a disk count as well as requests, and what another machine asked is not answered', () => {
  const { machine, answers, ask } = asking();
  const service = new DiskService({ bytesPerSecond: 5120 });
  service.use(new GuestDisk(new Uint8Array(64 * 512)));
  ask({ id: 1, kind: 'read', sector: 0, length: 5120 }, { id: 2, kind: 'read', sector: 0, length: 512 });
  service.serve(machine, 0);
  // The first is taken in advance.
  expect(answers).toHaveLength(1);
  expect(service.serve(machine, 800)).toBe(false);
  expect(service.serve(machine, 901)).toBe(true);
  ask({ id: 3, kind: 'read', sector: 0, length: 512 });
  service.serve(machine, 901);
  expect(answers).toHaveLength(2);
  service.use(undefined);
  service.serve(machine, 5000);
  expect(answers).toHaveLength(2);
});
