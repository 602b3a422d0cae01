/** Devices of virtio as a driver sees them: through registers and memory. */
import { beforeEach, expect, test } from 'vitest';
import { GuestMemory, MISSING_PAGE } from '../../guest-memory.ts';
import { MEMORY_BASE, VIRTIO_INTERRUPT } from '../../memory-map.ts';
import { PlainReader } from '../../plain-state.ts';
import { VirtioBlock } from './block.ts';
import { VirtioConsole } from './console.ts';
import { VirtioNetwork } from './network.ts';
import { type Backend, VirtioTransport } from './transport.ts';

const SIZE = 8;
/** Each queue has a page for its three parts; buffers begin at page 16. */
const partsAt = (queue: number): number => MEMORY_BASE + 0x1000 * (1 + queue);
const BUFFERS = MEMORY_BASE + 0x1_0000;
const NEEDS_RESET = 64;

let memory: GuestMemory;
let clock: { ticks: number };
let isRaised: boolean;

beforeEach(() => {
  memory = new GuestMemory(1 << 20, 1);
  clock = { ticks: 0 };
  isRaised = false;
});

function start(backend: Backend, queues: number): VirtioTransport {
  const setLine = (interrupt: number, isHigh: boolean): void => {
    expect(interrupt).toBe(VIRTIO_INTERRUPT);
    isRaised = isHigh;
  };
  const device = new VirtioTransport(0, { memory, lines: { setLine }, clock }, backend);
  const set = (offset: number, value: number): boolean => device.store(offset, 4, value);
  for (const status of [0, 1, 3, 11]) set(0x70, status);
  for (let queue = 0; queue < queues; queue++) {
    set(0x30, queue);
    set(0x38, SIZE);
    set(0x80, partsAt(queue));
    set(0x90, partsAt(queue) + 0x400);
    set(0xa0, partsAt(queue) + 0x800);
    set(0x44, 1);
  }
  set(0x70, 15);
  return device;
}

interface Part {
  readonly at: number;
  readonly length: number;
  readonly isWritten?: boolean;
}

const offsetOf = (address: number): number => memory.offsetOf((address - MEMORY_BASE) >>> 12) + (address & 4095);

/** Describes a request from descriptor `first` on and makes it available as the `index`th. */
function offer(queue: number, index: number, first: number, parts: readonly Part[]): void {
  const { view } = memory;
  for (const [position, { at, length, isWritten }] of parts.entries()) {
    const descriptor = offsetOf(partsAt(queue)) + 16 * (first + position);
    view.setBigUint64(descriptor, BigInt(at), true);
    view.setUint32(descriptor + 8, length, true);
    view.setUint16(descriptor + 12, (isWritten === true ? 2 : 0) | (position < parts.length - 1 ? 1 : 0), true);
    view.setUint16(descriptor + 14, first + position + 1, true);
  }
  view.setUint16(offsetOf(partsAt(queue)) + 0x404 + 2 * (index % SIZE), first, true);
  view.setUint16(offsetOf(partsAt(queue)) + 0x402, index + 1, true);
}

function notify(device: VirtioTransport, queue = 0): void {
  device.store(0x50, 4, queue);
  expect(device.due).toBeGreaterThan(clock.ticks);
  act(device);
}

function act(device: VirtioTransport): void {
  clock.ticks = device.due;
  device.process();
}

const write = (at: number, bytes: Uint8Array): void => memory.bytes.set(bytes, offsetOf(at));
const read = (at: number, length: number): Uint8Array => memory.bytes.slice(offsetOf(at), offsetOf(at) + length);

/** How many requests came back, and the last of them. */
function returned(queue: number): { readonly count: number; readonly head: number; readonly length: number } {
  const at = offsetOf(partsAt(queue)) + 0x800;
  const count = memory.view.getUint16(at + 2, true);
  const entry = at + 4 + 8 * ((count - 1) % SIZE);
  return { count, head: memory.view.getUint32(entry, true), length: memory.view.getUint32(entry + 4, true) };
}

function header(type: number, sector: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(16));
  bytes.setUint32(0, type, true);
  bytes.setBigUint64(8, BigInt(sector), true);
  return new Uint8Array(bytes.buffer);
}

/** A disk request over a page-wise header, data and status. */
function ask(index: number, type: number, sector: number, length: number): void {
  write(BUFFERS, header(type, sector));
  const data = { at: BUFFERS + 0x1000, length, isWritten: type === 0 };
  offer(0, index, 0, [{ at: BUFFERS, length: 16 }, data, { at: BUFFERS + 0x3000, length: 1, isWritten: true }]);
}

test('the disk gives its requests to the host and its answers to the driver, later', () => {
  const disk = new VirtioBlock(100);
  const device = start(disk, 1);
  ask(0, 0, 7, 1024);
  device.store(0x50, 4, 0);
  expect(disk.takeRequests()).toEqual([]);
  act(device);
  expect(disk.takeRequests()).toEqual([{ id: 1, kind: 'read', sector: 7, length: 1024 }]);
  expect({ isRaised, count: returned(0).count }).toEqual({ isRaised: false, count: 0 });
  disk.answer(1, { ok: true, data: new Uint8Array(1024).fill(5) });
  device.wake();
  act(device);
  expect(returned(0)).toEqual({ count: 1, head: 0, length: 1025 });
  expect(read(BUFFERS + 0x1000, 1024)).toEqual(new Uint8Array(1024).fill(5));
  expect(isRaised).toBe(true);
  device.store(0x64, 4, 1);
  expect(isRaised).toBe(false);
});

test('a write carries a copy of the data, and a failure comes back as one', () => {
  const disk = new VirtioBlock(100);
  const device = start(disk, 1);
  write(BUFFERS + 0x1000, new Uint8Array(512).fill(9));
  ask(0, 1, 99, 512);
  notify(device);
  expect(disk.takeRequests()).toEqual([
    { id: 1, kind: 'write', sector: 99, length: 512, data: new Uint8Array(512).fill(9) },
  ]);
  disk.answer(1, { ok: false });
  device.wake();
  act(device);
  expect(read(BUFFERS + 0x3000, 1)[0]).toBe(1);
});

test.each<[string, number, number, number, number]>([
  ['beyond the end', 0, 99, 1024, 1],
  ['no whole sectors', 0, 0, 100, 1],
  ['an unknown kind', 77, 0, 512, 2],
])('a request is refused without the host: %s', (_, type, sector, length, status) => {
  const disk = new VirtioBlock(100);
  const device = start(disk, 1);
  ask(0, type, sector, length);
  notify(device);
  expect(disk.takeRequests()).toEqual([]);
  expect({ status: read(BUFFERS + 0x3000, 1)[0], count: returned(0).count }).toEqual({ status, count: 1 });
});

test('requests under way are among what is saved, and asked of the next host', () => {
  const disk = new VirtioBlock(100);
  const device = start(disk, 1);
  ask(0, 0, 7, 512);
  notify(device);
  const request = disk.takeRequests();
  const state = JSON.parse(JSON.stringify(device.save()));
  const other = new VirtioBlock(100);
  const target = start(other, 1);
  target.restore(new PlainReader(state, 'state'));
  expect(other.takeRequests()).toEqual(request);
  other.answer(1, { ok: true, data: new Uint8Array(512).fill(3) });
  target.wake();
  act(target);
  expect(returned(0)).toEqual({ count: 1, head: 0, length: 513 });
});

test('the card sends and receives frames', () => {
  const card = new VirtioNetwork(Uint8Array.of(2, 0, 0, 0, 0, 1));
  const device = start(card, 2);
  write(
    BUFFERS + 12,
    Uint8Array.from({ length: 60 }, (_, index) => index),
  );
  offer(1, 0, 0, [{ at: BUFFERS, length: 72 }]);
  notify(device, 1);
  expect(card.takeFrames()).toEqual([Uint8Array.from({ length: 60 }, (_, index) => index)]);
  offer(0, 0, 0, [{ at: BUFFERS + 0x1000, length: 1526, isWritten: true }]);
  expect(card.deliver(new Uint8Array(100).fill(8))).toBe(true);
  device.wake();
  act(device);
  expect(returned(0)).toEqual({ count: 1, head: 0, length: 112 });
  expect(read(BUFFERS + 0x1000 + 12, 100)).toEqual(new Uint8Array(100).fill(8));
  expect(device.load(0x100, 1)).toBe(2);
});

test('a card whose guest gives no buffers loses what is too much', () => {
  const card = new VirtioNetwork(new Uint8Array(6));
  start(card, 2);
  const taken = Array.from({ length: 70 }, () => card.deliver(new Uint8Array(60))).filter(Boolean);
  expect(taken).toHaveLength(64);
  expect(card.droppedIn).toBe(6);
  expect(card.deliver(new Uint8Array(2000))).toBe(false);
});

test('a card whose host takes nothing loses what is too much', () => {
  const card = new VirtioNetwork(new Uint8Array(6));
  const device = start(card, 2);
  for (let index = 0; index < 300; index++) {
    offer(1, index, 0, [{ at: BUFFERS, length: 72 }]);
    notify(device, 1);
  }
  expect(card.takeFrames()).toHaveLength(256);
  expect(card.droppedOut).toBe(44);
});

test('the console carries bytes both ways', () => {
  const written: number[] = [];
  const port = new VirtioConsole((byte) => written.push(byte));
  const device = start(port, 2);
  write(BUFFERS, Buffer.from('hello'));
  offer(1, 0, 0, [{ at: BUFFERS, length: 5 }]);
  notify(device, 1);
  expect(Buffer.from(written).toString()).toBe('hello');
  offer(0, 0, 0, [{ at: BUFFERS + 0x1000, length: 4, isWritten: true }]);
  expect(port.give(Buffer.from('answer'))).toBe(6);
  device.wake();
  act(device);
  expect(Buffer.from(read(BUFFERS + 0x1000, 4)).toString()).toBe('answ');
  expect(port.give(new Uint8Array(5000))).toBe(4094);
});

test.each<[string, readonly Part[], number]>([
  ['memory that is not there', [{ at: 0x1000, length: 16 }], 0],
  ['a length beyond memory', [{ at: BUFFERS, length: 0xffff_ffff }], 0],
  ['no room for a status', [{ at: BUFFERS, length: 16 }], 0],
  ['a descriptor beyond the queue', [{ at: BUFFERS, length: 16 }], SIZE],
])('a driver that breaks the rules has its device stopped: %s', (_, parts, head) => {
  const device = start(new VirtioBlock(100), 1);
  offer(0, 0, 0, parts);
  memory.view.setUint16(offsetOf(partsAt(0)) + 0x404, head, true);
  notify(device);
  expect(device.load(0x70, 4)).toBe(15 | NEEDS_RESET);
  expect(isRaised).toBe(true);
  device.store(0x70, 4, 0);
  expect(device.load(0x70, 4)).toBe(0);
});

test('a chain that bites its tail stops the device', () => {
  const device = start(new VirtioBlock(100), 1);
  offer(0, 0, 0, [{ at: BUFFERS, length: 16 }]);
  memory.view.setUint16(offsetOf(partsAt(0)) + 12, 1, true);
  memory.view.setUint16(offsetOf(partsAt(0)) + 14, 0, true);
  notify(device);
  expect(device.load(0x70, 4)).toBe(15 | NEEDS_RESET);
});

function thrownBy(run: () => void): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

test.each([1, 16, 17, 19])('a device that finds page %d missing does nothing until it is there', (page) => {
  const disk = new VirtioBlock(100);
  const device = start(disk, 1);
  write(BUFFERS + 0x1000, new Uint8Array(512).fill(9));
  ask(0, 1, 3, 512);
  const bytes = memory.readPage(page);
  memory.forgetPage(page);
  const attempt = (): void => {
    device.store(0x50, 4, 0);
    act(device);
    disk.answer(1, { ok: true });
    act(device);
  };
  for (let time = 0; time < 2; time++) {
    expect(thrownBy(attempt)).toBe(MISSING_PAGE);
    expect(memory.missingPage).toBe(page);
  }
  memory.writePage(page, bytes);
  attempt();
  expect(returned(0)).toMatchObject({ count: 1, length: 1 });
  expect(read(BUFFERS + 0x3000, 1)[0]).toBe(0);
});

test('a slot without a device says so', () => {
  const device = new VirtioTransport(5, { memory, lines: { setLine: () => undefined }, clock }, undefined);
  expect([device.load(0, 4), device.load(8, 4), device.load(0, 2)]).toEqual([0x7472_6976, 0, undefined]);
});
