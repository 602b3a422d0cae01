/**
 * The thread of taps: makes network namespaces with a tap device in each, ties a device to the pod's link once that is there, and waits for frames of all of them. Who
 * has a tap's frames reads and writes them itself; this only says that there are some. It stands in the kernel while nothing comes, since Node has nothing that waits for such
 * devices, and is woken by a descriptor (`bell`) when there are orders. Needs root and `node:ffi`.
 */
import { Buffer } from 'node:buffer';
import { dlopen } from 'node:ffi';
import { closeSync, constants, openSync, readFileSync, readlinkSync, readSync, writeFileSync } from 'node:fs';
import { parentPort, receiveMessageOnPort } from 'node:worker_threads';
import { errorText } from '#pkg/base/error-text.ts';
import { check, enter, enterNew, enterPath, indexOf, tell } from '../bridge/namespace-calls.ts';
import { addIngress, raiseLink, redirectAll } from '../bridge/route-messages.ts';
import type { TapAnswer, TapListener, TapOrder, TapPlace, TapRoute } from './tap-orders.ts';
import { routeOf } from './tap-route.ts';

const int = 'int32';
const pointer = 'pointer';

const { functions: c } = dlopen(null, {
  epoll_create1: { arguments: [int], return: int },
  epoll_ctl: { arguments: [int, int, int, pointer], return: int },
  epoll_wait: { arguments: [int, pointer, int, int], return: int },
  eventfd: { arguments: ['uint32', int], return: int },
  ioctl: { arguments: [int, 'uint64', pointer], return: int },
});

/** From Linux' headers. */
const closesOnExec = 0o2000000;
const noBlocking = 0o4000;
const setInterface = 0x400454can;
const frames = 0x0002 | 0x1000;
const addition = 1;
/** Something can be read: told at once for each frame that comes, not for those that wait. */
const newInput = 0x8000_0001;
const eventBytes = 16;
/** A thread in the kernel cannot be ended: it looks this often whether it is to. */
const waitMs = 500;

const tapName = 'tap0';

interface Entry {
  readonly namespace: number;
  listener?: TapListener;
}

const taps = new Map<number, Entry>();
const poll = check('epoll_create1', c.epoll_create1(closesOnExec));
const bell = check('eventfd', c.eventfd(0, closesOnExec | noBlocking));

/** An event of epoll(7) for a descriptor, whose number is where both ways to lay that out have it: with the data at 4, as on x86, or at 8. */
function eventOf(fd: number): Buffer {
  const event = Buffer.alloc(eventBytes);
  event.writeUInt32LE(newInput, 0);
  event.writeUInt32LE(fd, 4);
  event.writeUInt32LE(fd, 8);
  return event;
}

function awaitInput(fd: number): void {
  check('epoll_ctl', c.epoll_ctl(poll, addition, fd, eventOf(fd)));
}

/** A device whose frames come as they are: without heads of the kernel's. */
function openTap(): number {
  const tap = openSync('/dev/net/tun', constants.O_RDWR | constants.O_NONBLOCK);
  const request = Buffer.alloc(40);
  request.write(tapName, 'latin1');
  request.writeUInt16LE(frames, 16);
  try {
    check(tapName, c.ioctl(tap, setInterface, request));
    return tap;
  } catch (error) {
    closeSync(tap);
    throw error;
  }
}

function make(): TapPlace {
  const namespace = enterNew();
  try {
    const tap = openTap();
    try {
      // What the namespace itself would say to the guest is nobody's.
      writeFileSync(`/proc/sys/net/ipv6/conf/${tapName}/disable_ipv6`, '1');
    } catch {
      // There is no IPv6.
    }
    tell([[tapName, raiseLink(tapName)]]);
    awaitInput(tap);
    taps.set(tap, { namespace });
    return { tap, namespacePath: `/proc/${readlinkSync('/proc/self')}/fd/${namespace}` };
  } catch (error) {
    closeSync(namespace);
    throw error;
  }
}

/** Whatever one of both links receives the other sends; the namespace has no part in it. */
function join(tap: number, address: string): TapRoute {
  const entry = taps.get(tap);
  if (entry === undefined) throw new Error('there is no such tap');
  enter(entry.namespace);
  const [ours, pods] = [indexOf(tapName), indexOf('eth0')];
  tell([
    [tapName, addIngress(ours)],
    ['eth0', addIngress(pods)],
    [tapName, redirectAll(ours, pods)],
    ['eth0', redirectAll(pods, ours)],
  ]);
  return routeOf(readFileSync('/proc/thread-self/net/route', 'latin1'), address);
}

function close(tap: number): void {
  const entry = taps.get(tap);
  if (entry === undefined) return;
  taps.delete(tap);
  entry.listener?.port.close();
  // The device goes with its descriptor, the namespace with its last.
  closeSync(tap);
  closeSync(entry.namespace);
}

function listen(tap: number, listener: TapListener): void {
  const entry = taps.get(tap);
  if (entry === undefined) throw new Error('there is no such tap');
  entry.listener?.port.close();
  entry.listener = listener;
  // Frames that came before.
  announce(listener);
}

function announce({ port, flag }: TapListener): void {
  if (Atomics.exchange(flag, 0, 1) === 0) port.postMessage(0);
}

function done(order: TapOrder): TapAnswer {
  const { id } = order;
  try {
    if (order.what === 'make') return { id, place: make() };
    if (order.what === 'join') return { id, route: join(order.tap, order.address) };
    if (order.what === 'listen') listen(order.tap, order.listener);
    if (order.what === 'close') close(order.tap);
    return { id };
  } catch (error) {
    return { id, problem: errorText(error) };
  } finally {
    enterPath(undefined);
  }
}

/** Does what was asked; true where that was to end. */
function obey(): boolean {
  if (parentPort === null) return true;
  for (let next = receiveMessageOnPort(parentPort); next !== undefined; next = receiveMessageOnPort(parentPort)) {
    const order: TapOrder = next.message;
    parentPort.postMessage(done(order));
    if (order.what === 'end') return true;
  }
  return false;
}

function run(): void {
  const event = Buffer.alloc(eventBytes);
  const rung = Buffer.alloc(8);
  awaitInput(bell);
  parentPort?.postMessage({ bell } satisfies TapAnswer);
  while (!obey()) {
    // An interrupted wait is one without an event.
    const count = c.epoll_wait(poll, event, 1, waitMs);
    if (count <= 0) continue;
    const fd = event.readUInt32LE(8);
    if (fd === bell) readSync(bell, rung);
    else {
      const listener = taps.get(fd)?.listener;
      if (listener !== undefined) announce(listener);
    }
  }
  for (const tap of [...taps.keys()]) close(tap);
  closeSync(bell);
  closeSync(poll);
  parentPort?.close();
}

run();
