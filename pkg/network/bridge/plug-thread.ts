/**
 * The thread that plugs pods in: it goes from one network namespace to another, which only it is in then, and tells the kernel what is to be there. The kernel may
 * take its time, when many namespaces come and go; nothing else of the process waits for it. Needs root and `node:ffi`.
 */
import { Buffer } from 'node:buffer';
import { dlopen, getInt32 } from 'node:ffi';
import { closeSync, existsSync, openSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { parentPort } from 'node:worker_threads';
import { errorText } from '#pkg/base/error-text.ts';
import type { PlugAnswer, PlugOrder, PlugRequest, UnplugRequest } from './pod-plugger.ts';
import {
  addAddress,
  addPair,
  addRoutes,
  answerTo,
  deleteLink,
  numbered,
  raiseIsolatedPort,
  raiseLink,
} from './route-messages.ts';

const int = 'int32';
const pointer = 'pointer';

const { functions: c } = dlopen(null, {
  __errno_location: { arguments: [], return: pointer },
  if_nametoindex: { arguments: ['string'], return: 'uint32' },
  recv: { arguments: [int, pointer, 'uint64', int], return: 'int64' },
  send: { arguments: [int, pointer, 'uint64', int], return: 'int64' },
  setns: { arguments: [int, int], return: int },
  socket: { arguments: [int, int, int], return: int },
});
const errorPlace = c.__errno_location();

/** From Linux' headers. */
const networkNamespace = 0x40000000;
const netlink = { family: 16, raw: 3 | 0o2000000, route: 0 } as const;
/** An answer is there when the request was taken. */
const noWait = 0x40;
const answerBytesMax = 8192;

/** Where the thread began: that of the process. */
const own = openSync('/proc/thread-self/ns/net', 'r');
let sequence = 0;

function check(what: string, result: number | bigint): number {
  if (Number(result) >= 0) return Number(result);
  throw new Error(`${what}: ${getSystemErrorName(-getInt32(errorPlace))}`);
}

function withOpen<T>(path: string, work: (fd: number) => T): T {
  const fd = openSync(path, 'r');
  try {
    return work(fd);
  } finally {
    closeSync(fd);
  }
}

/** Tells the kernel of the namespace this thread is in; throws at the first request that it refuses, but for errors that are fine. */
function tell(
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

/** Of a link: there is none. */
function isGone(error: number): boolean {
  return getSystemErrorName(-error) === 'ENODEV';
}

function indexOf(name: string): number {
  const index = c.if_nametoindex(name);
  if (index === 0) throw new Error(`there is no link ${name}`);
  return index;
}

function enter(fd: number): void {
  check('setns', c.setns(fd, networkNamespace));
}

function enterNode(namespace: string | undefined): void {
  if (namespace === undefined) enter(own);
  else withOpen(namespace, enter);
}

function plug({ namespace, bridge, link, pod, addresses, gateways }: PlugRequest): void {
  withOpen(pod, (there) => {
    enterNode(namespace);
    const peer = { name: 'eth0', namespaceFd: there, bridge: indexOf(bridge) };
    tell([
      [`link ${link}`, addPair(link, peer)],
      [`port ${link}`, raiseIsolatedPort(link)],
    ]);
    enter(there);
    const index = indexOf(peer.name);
    tell([
      ['link lo', raiseLink('lo')],
      ...addresses.map((address) => [`address ${address}`, addAddress(index, address)] as const),
      [`link ${peer.name}`, raiseLink(peer.name)],
      ...gateways.flatMap((gateway) => addRoutes(index, gateway).map((route) => [`route ${gateway}`, route] as const)),
    ]);
  });
}

/** A link goes with the namespace of the pod or the node too, so that it may be gone. */
function unplug({ namespace, links }: UnplugRequest): void {
  if (namespace !== undefined && !existsSync(namespace)) return;
  enterNode(namespace);
  tell(
    links.map((link) => [`link ${link}`, deleteLink(link)] as const),
    isGone,
  );
}

parentPort?.on('message', (order: PlugOrder) => {
  const answer: PlugAnswer = { id: order.id };
  try {
    if (order.what === 'plug') plug(order);
    else unplug(order);
    parentPort?.postMessage(answer);
  } catch (error) {
    parentPort?.postMessage({ ...answer, problem: errorText(error) });
  }
});
