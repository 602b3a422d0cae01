/**
 * A listening socket in another network namespace than this process's: made by calls of Linux that are answered at once, in the thread that asks, in which nothing else
 * runs while it is there. Needs root and `node:ffi`. Whoever asked closes the descriptor, or gives it to a server, which does.
 */
import { Buffer } from 'node:buffer';
import { dlopen, getInt32 } from 'node:ffi';
import { closeSync, openSync } from 'node:fs';
import { abort } from 'node:process';
import { getSystemErrorName } from 'node:util';
import { parseIp } from '#pkg/apimachinery/ip.ts';

const int = 'int32';
const pointer = 'pointer';

const { functions: c } = dlopen(null, {
  __errno_location: { arguments: [], return: pointer },
  bind: { arguments: [int, pointer, 'uint32'], return: int },
  listen: { arguments: [int, int], return: int },
  setns: { arguments: [int, int], return: int },
  setsockopt: { arguments: [int, int, int, pointer, 'uint32'], return: int },
  socket: { arguments: [int, int, int], return: int },
});
const errorPlace = c.__errno_location();

/** As Node's own servers. */
const backlog = 511;
/** From Linux' headers. */
const networkNamespace = 0x40000000;
const streamOfThisProgram = 1 | 0o2000000 | 0o4000;
const socketLevel = 1;
const reuseAddress = 2;
const families = { 4: 2, 16: 10 } as const;

/** A call of the system has failed; `code` is that of errors of Node's own servers. */
class ListenError extends Error {
  readonly code: string;

  constructor(call: string, code: string, address: string) {
    super(`${call} ${code} ${address}`);
    this.name = 'ListenError';
    this.code = code;
  }
}

/** The descriptor of a socket that listens at an address in the namespace of that path. Throws with the `code` that a server of Node would have. */
export function listenInside(
  namespace: string,
  { host, port }: { readonly host: string; readonly port: number },
): number {
  const address = socketAddress(host, port);
  const check = (call: string, result: number): number => {
    if (result >= 0) return result;
    throw new ListenError(call, getSystemErrorName(-getInt32(errorPlace)), `${host}:${port}`);
  };
  return inside(namespace, check, () => {
    const socket = check('socket', c.socket(address.readUInt16LE(0), streamOfThisProgram, 0));
    try {
      const yes = Buffer.from([1, 0, 0, 0]);
      check('setsockopt', c.setsockopt(socket, socketLevel, reuseAddress, yes, yes.length));
      check('bind', c.bind(socket, address, address.length));
      check('listen', c.listen(socket, backlog));
      return socket;
    } catch (error) {
      closeSync(socket);
      throw error;
    }
  });
}

function inside<T>(namespace: string, check: (call: string, result: number) => number, work: () => T): T {
  const own = openSync('/proc/thread-self/ns/net', 'r');
  try {
    const there = openSync(namespace, 'r');
    try {
      check('setns', c.setns(there, networkNamespace));
    } finally {
      closeSync(there);
    }
    try {
      return work();
    } finally {
      // In the wrong namespace everything that follows would be done to the wrong node.
      if (c.setns(own, networkNamespace) !== 0) abort();
    }
  } finally {
    closeSync(own);
  }
}

/** Source: ip(7), ipv6(7). */
function socketAddress(host: string, port: number): Buffer {
  const bytes = parseIp(host);
  if (bytes === undefined) throw new RangeError(`${host} is no IP address`);
  const address = Buffer.alloc(bytes.length === 4 ? 16 : 28);
  address.writeUInt16LE(bytes.length === 4 ? families[4] : families[16], 0);
  address.writeUInt16BE(port, 2);
  address.set(bytes, bytes.length === 4 ? 4 : 8);
  return address;
}
