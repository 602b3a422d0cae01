import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { guestAddress } from '#pkg/vmm/host/user-network.ts';
import { createMachine } from '#pkg/vmm/machine.ts';
import type { Machine } from '#pkg/vmm/machine-contract.ts';
import { restoreImage, saveImage } from '#pkg/vmm/migration/image.ts';
import { restlessConfig } from '#pkg/vmm/migration/test-rig.ts';
import { elfOfWords } from '#pkg/vmm/test-guests.ts';
import { GuestHost } from './guest-host.ts';
import { machineConfig } from './guest-machine.ts';

/** A thread that the machine has left, without connections. */
function relay() {
  const clock = new VirtualClock();
  const ends: number[] = [];
  const host = new GuestHost({
    start: {
      kernel: new Uint8Array(0),
      memoryBytes: 0,
      commandLine: '',
      mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
      address: '127.0.0.1',
      ports: [],
      waits: true,
    },
    clock,
    tell: () => undefined,
    end: () => ends.push(clock.monotonicMs()),
  });
  host.left();
  return { clock, host, ends };
}

test('a relay without connections ends after ten seconds', async () => {
  const { clock, ends } = relay();
  await clock.advance(9_900);
  expect(ends).toEqual([]);
  await clock.advance(1_000);
  expect(ends).toHaveLength(1);
});

test('a relay that the machine is to come back to is there for it, as long as that may take and while it goes on', async () => {
  const { clock, host, ends } = relay();
  await clock.advance(9_000);
  host.awaits();
  await clock.advance(59_000);
  host.watch({ sliced: () => undefined, missing: () => undefined });
  await clock.advance(600_000);
  expect(ends).toEqual([]);
  // It came to nothing.
  host.watch(undefined);
  await clock.advance(9_000);
  expect(ends).toEqual([]);
  await clock.advance(2_000);
  expect(ends).toHaveLength(1);
});

test('a machine that arrives has gone on before anybody hears of it', () => {
  const config = restlessConfig({ regionKiB: 64, pause: 2000 });
  const machine = createMachine(config);
  const told: [string, boolean][] = [];
  const { mac = new Uint8Array(6), kernel } = config;
  const host = new GuestHost({
    start: { kernel, mac, memoryBytes: config.memory, commandLine: '', address: '127.0.0.1', ports: [], waits: true },
    clock: new VirtualClock(),
    tell: ({ type }) => told.push([type, machine.counters.instructions > 0]),
    end: () => undefined,
  });
  host.arrived(machine, undefined);
  expect([told, machine.counters.instructions]).toEqual([[], 0]);
  host.begin();
  host.begin();
  expect(told).toEqual([['presence', true]]);
});

/** A thread with a machine of its own, what it has printed, and what it has ended with. */
function running(kernel: Uint8Array, machine?: (start: Parameters<typeof machineConfig>[0]) => Machine) {
  const clock = new VirtualClock();
  const start = {
    kernel,
    memoryBytes: 8 << 20,
    commandLine: `ip=${guestAddress}/24`,
    mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
    address: '127.0.0.1',
    ports: [],
  };
  let printed = '';
  const host = new GuestHost({
    start,
    clock,
    machine: machine?.(start),
    tell: (message) => {
      if (message.type === 'console') printed += Buffer.from(message.bytes).toString();
    },
    end: () => undefined,
  });
  return { clock, host, printed: () => printed, instructions: () => host.machine?.counters.instructions ?? 0 };
}

test('a machine that several have stand still goes on when none of them does any more, as if no time had passed', async () => {
  const { clock, host, instructions } = running(restlessConfig({ regionKiB: 64, pause: 2000 }).kernel);
  await clock.advance(20);
  host.hold(true);
  host.loop?.pause('migration');
  const before = { instructions: instructions(), ticks: host.machine?.ticks };
  await clock.advance(1000);
  host.loop?.resume('migration');
  await clock.advance(1000);
  expect({ instructions: instructions(), ticks: host.machine?.ticks }).toEqual(before);
  expect(host.figures().isPaused).toBe(true);
  host.hold(false);
  await clock.advance(20);
  expect(instructions()).toBeGreaterThan(before.instructions);
  // Slices are whole, so that the guest's time is some ms beside the clock's.
  expect(host.machine?.ticks).toBeLessThan(60 * 10_000);
});

/** What a port of the guest answers, once it does. */
async function answerOf({ clock, host }: ReturnType<typeof running>): Promise<string> {
  let text = '';
  const connection = host.network.connect(8080, {
    opened: () => connection?.write(Buffer.from('GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n')),
    data: (bytes) => {
      text += Buffer.from(bytes).toString();
    },
    ended: () => connection?.end(),
    drained: () => undefined,
    closed: () => undefined,
  });
  host.wake();
  await clock.advance(2000);
  return text;
}

test('a machine that was saved begins elsewhere as it was, without booting, while the first goes on', async () => {
  const kernel = readFileSync(new URL('../../../../vmm/guests/kernel/kernel.elf', import.meta.url));
  const first = running(kernel);
  for (let rounds = 0; rounds < 100 && !first.printed().includes('listens'); rounds++) await first.clock.advance(50);
  const { image, memoryBytes } = first.host.save(saveImage);
  expect(memoryBytes).toBe(8 << 20);
  const second = running(kernel, (start) => restoreImage(machineConfig(start), image));
  expect(second.instructions()).toBe(first.instructions());
  expect(await answerOf(second)).toMatch(/^HTTP\/1.1 200 [\s\S]*ok\n$/);
  expect(second.printed()).toBe('');
  expect(await answerOf(first)).toMatch(/^HTTP\/1.1 200 /);
});

test('a machine that is elsewhere, or on its way, is neither saved nor paused', () => {
  const { host } = relay();
  expect(() => host.save(saveImage)).toThrow('the machine is not here');
  expect(() => host.hold(true)).toThrow('the machine is not here');
  const other = running(restlessConfig({ regionKiB: 64, pause: 2000 }).kernel).host;
  other.watch({ sliced: () => undefined, missing: () => undefined });
  expect(() => other.save(saveImage)).toThrow('the machine is being moved');
});

test('a guest that does nothing but reset its machine has its share to make it anew with', async () => {
  const clock = new VirtualClock();
  let looks = 0;
  const host = new GuestHost({
    start: {
      // lui x10, 0x100; lui x11, 0x7; addi x11, x11, 0x777; sw x11, 0(x10)
      kernel: elfOfWords([0x0010_0537, 0x0000_75b7, 0x7775_8593, 0x00b5_2023]),
      memoryBytes: 1 << 20,
      commandLine: '',
      mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
      address: '127.0.0.1',
      ports: [],
      share: 0.1,
    },
    clock,
    // Looked at before and after a machine is made: each takes 5 ms.
    cpuMs: () => 5 * Math.ceil(looks++ / 2),
    tell: () => undefined,
    end: (_, message) => expect.unreachable(message),
  });
  await clock.advance(1_000);
  host.loop?.stop();
  const machines = looks / 2;
  expect(machines).toBeGreaterThan(15);
  expect(machines).toBeLessThan(25);
});
