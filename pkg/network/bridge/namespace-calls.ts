/**
 * Calls of Linux by which a thread goes from one network namespace to another and tells the kernel what is to be there. Whoever imports this has a thread for it, since nothing
 * else may run in a thread while it is elsewhere. Needs root and `node:ffi`.
 */
import { Buffer } from 'node:buffer';
import { dlopen, getInt32 } from 'node:ffi';
import { closeSync, openSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { answerTo, numbered } from './route-messages.ts';

const int = 'int32';
const pointer = 'pointer';

const { functions: c } = dlopen(null, {
  __errno_location: { arguments: [], return: pointer },
  if_nametoindex: { arguments: ['string'], return: 'uint32' },
  recv: { arguments: [int, pointer, 'uint64', int], return: 'int64' },
  send: { arguments: [int, pointer, 'uint64', int], return: 'int64' },
  setns: { arguments: [int, int], return: int },
  socket: { arguments: [int, int, int], return: int },
  unshare: { arguments: [int], return: int },
});
const errorPlace = c.__errno_location();

/** From Linux' headers. */
const networkNamespace = 0x40000000;
const netlink = { family: 16, raw: 3 | 0o2000000, route: 0 } as const;
/** An answer is there when the request was taken. */
const noWait = 0x40;
const answerBytesMax = 8192;

/** Where the thread is. */
const here = '/proc/thread-self/ns/net';
/** Where it began: that of the process. */
const own = openSync(here, 'r');
let sequence = 0;

/** What a call gave. Throws where that says that it failed. */
export function check(what: string, result: number | bigint): number {
  if (Number(result) >= 0) return Number(result);
  throw new Error(`${what}: ${getSystemErrorName(-getInt32(errorPlace))}`);
}

/** Opens a path for as long as `work` runs. */
export function withOpen<T>(path: string, work: (fd: number) => T): T {
  const fd = openSync(path, 'r');
  try {
    return work(fd);
  } finally {
    closeSync(fd);
  }
}

/** Goes to the namespace that is open as a descriptor. */
export function enter(fd: number): void {
  check('setns', c.setns(fd, networkNamespace));
}

/** Goes to the namespace at a path; absent: to that of the process. */
export function enterPath(path: string | undefined): void {
  if (path === undefined) enter(own);
  else withOpen(path, enter);
}

/** Goes to a new namespace, which is there as long as the descriptor is open that this returns. */
export function enterNew(): number {
  check('unshare', c.unshare(networkNamespace));
  return openSync(here, 'r');
}

/** Tells the kernel of the namespace this thread is in; throws at the first request that it refuses, but for errors that are fine. */
export function tell(
  requests: readonly (readonly [what: string, request: Buffer])[],
  isFine: (error: number) => boolean = () => false,
): void {
  const socket = check('socket', c.socket(netlink.family, netlink.raw, netlink.route));
  const answer = Buffer.alloc(answerBytesMax);
  try {
    for (const [what, request] of requests) {
      const message = numbered(request, ++sequence);
      check(what, c.send(socket, message, BigInt(message.length), 0));
      const length = check(what, c.recv(socket, answer, BigInt(answer.length), noWait));
      const error = answerTo(sequence, answer.subarray(0, length));
      if (error !== 0 && (error === undefined || !isFine(error)))
        throw new Error(`${what}: ${error === undefined ? 'no answer' : getSystemErrorName(-error)}`);
    }
  } finally {
    closeSync(socket);
  }
}

/** The number of a link. Throws where there is none of that name. */
export function indexOf(name: string): number {
  const index = c.if_nametoindex(name);
  if (index === 0) throw new Error(`there is no link ${name}`);
  return index;
}
