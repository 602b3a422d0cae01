/**
 * Calls of Linux that Node has none for, made through `node:ffi`. Each is made and answered at once, in the main thread, so nothing else of this process
 * runs in between: what is changed for a moment, such as its network namespace, is seen by nobody. What fails throws with the name of the call and its
 * error. Source: the manual pages of the calls, of Linux on 64-bit processors.
 */
import { Buffer } from 'node:buffer';
import { dlopen, getInt32, getRawPointer } from 'node:ffi';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';

const path = 'string';
const int = 'int32';
const size = 'uint64';
const pointer = 'pointer';

const { functions: c } = dlopen(null, {
  __errno_location: { arguments: [], return: pointer },
  accept4: { arguments: [int, pointer, pointer, int], return: int },
  bind: { arguments: [int, pointer, 'uint32'], return: int },
  connect: { arguments: [int, pointer, 'uint32'], return: int },
  ioctl: { arguments: [int, size, pointer], return: int },
  listen: { arguments: [int, int], return: int },
  mkfifo: { arguments: [path, 'uint32'], return: int },
  mount: { arguments: [path, path, path, size, path], return: int },
  poll: { arguments: [pointer, size, int], return: int },
  prctl: { arguments: [int, size, size, size, size], return: int },
  recvmsg: { arguments: [int, pointer, int], return: 'int64' },
  setns: { arguments: [int, int], return: int },
  sethostname: { arguments: [path, size], return: int },
  socket: { arguments: [int, int, int], return: int },
  umount2: { arguments: [path, int], return: int },
  unshare: { arguments: [int], return: int },
  waitid: { arguments: [int, 'uint32', pointer, int, pointer], return: int },
  waitpid: { arguments: [int, pointer, int], return: int },
});
const errorPlace = c.__errno_location();

/** A call of the system has failed. */
class SystemCallError extends Error {
  override readonly name = 'SystemCallError';
  /** Such as `ENOENT`. */
  readonly code: string;

  constructor(call: string, code: string) {
    super(`${call}: ${code}`);
    this.code = code;
  }
}

function checked(call: string, result: number): number {
  if (result >= 0) return result;
  throw new SystemCallError(call, getSystemErrorName(-getInt32(errorPlace)));
}

/** From now on, what the processes that this one starts leave behind is this one's to wait for. */
export function becomeSubreaper(): void {
  const setSubreaper = 36;
  checked('prctl', c.prctl(setSubreaper, 1n, 0n, 0n, 0n));
}

/** How a child ended. */
export interface ChildEnd {
  readonly exitCode: number;
}

const noHang = 1;
const signalExit = 128;

/** How the child ended, if it has; its number is free then. Undefined while it runs. Throws with `ECHILD` for what is no child. */
export function reap(pid: number): ChildEnd | undefined {
  const status = Buffer.alloc(4);
  if (checked('waitpid', c.waitpid(pid, status, noHang)) === 0) return undefined;
  const word = status.readInt32LE(0);
  const signal = word & 0x7f;
  return { exitCode: signal === 0 ? (word >> 8) & 0xff : signalExit + signal };
}

/** A child that has ended and was not reaped; undefined where there is none. It stays as it is. */
export function endedChild(): number | undefined {
  const info = Buffer.alloc(128);
  const anyChild = 0;
  const exited = 4;
  const leaveIt = 0x01000000;
  if (c.waitid(anyChild, 0, info, exited | noHang | leaveIt, null) !== 0) return undefined;
  const pid = info.readInt32LE(16);
  return pid === 0 ? undefined : pid;
}

/** Makes a named pipe that only its owner may open. */
export function makePipe(at: string): void {
  checked('mkfifo', c.mkfifo(at, 0o600));
}

/** Flags of mount(2). */
const mountFlags = { noSuid: 2, noDev: 4, noExec: 8, bind: 4096 } as const;

/** Keeps what is at one path at another, a file that is there. */
export function bindMount(from: string, at: string): void {
  checked('mount', c.mount(from, at, 'none', BigInt(mountFlags.bind), ''));
}

/** Shared memory of a pod: a file system in memory, whose root is somebody's. */
export function mountSharedMemory(at: string, sizeBytes: number, owner: number): void {
  const flags = mountFlags.noSuid | mountFlags.noDev | mountFlags.noExec;
  checked('mount', c.mount('shm', at, 'tmpfs', BigInt(flags), `mode=1777,size=${sizeBytes},uid=${owner},gid=${owner}`));
}

/** Takes away what is mounted there, though somebody may still use it; nothing where nothing is. */
export function unmount(at: string): void {
  const detach = 2;
  const noFollow = 8;
  if (c.umount2(at, detach | noFollow) === 0) return;
  const code = getSystemErrorName(-getInt32(errorPlace));
  if (code !== 'EINVAL' && code !== 'ENOENT') throw new SystemCallError('umount2', code);
}

/** A kind of namespace that a pod has one of for all its containers. */
export type SharedNamespace = 'ipc' | 'net' | 'uts';

const namespaceFlags: Readonly<Record<SharedNamespace, number>> = { ipc: 0x08000000, net: 0x40000000, uts: 0x04000000 };
const mainThread = '/proc/self/ns';

/**
 * Makes a namespace and keeps it under a path, a file that is there, until that is unmounted: no process needs to be in it. `inside` is called in it. Throws
 * when this thread cannot come back, which a caller must not survive.
 */
export function makeNamespace(kind: SharedNamespace, at: string, inside: () => void): void {
  const own = openSync(`${mainThread}/${kind}`, 'r');
  try {
    checked('unshare', c.unshare(namespaceFlags[kind]));
    try {
      inside();
      checked('mount', c.mount(`${mainThread}/${kind}`, at, 'none', BigInt(mountFlags.bind), ''));
    } finally {
      comeBack(own);
    }
  } finally {
    closeSync(own);
  }
}

/** `work` in the namespace of a path. */
export function insideNamespace<T>(kind: SharedNamespace, at: string, work: () => T): T {
  const own = openSync(`${mainThread}/${kind}`, 'r');
  const there = openSync(at, 'r');
  try {
    checked('setns', c.setns(there, namespaceFlags[kind]));
    try {
      return work();
    } finally {
      comeBack(own);
    }
  } finally {
    closeSync(there);
    closeSync(own);
  }
}

function comeBack(own: number): void {
  if (c.setns(own, 0) === 0) return;
  // In the wrong namespace everything that follows would be done to the wrong pod.
  process.abort();
}

/** The name of the machine in this thread's namespace. */
export function setHostname(name: string): void {
  checked('sethostname', c.sethostname(name, BigInt(Buffer.byteLength(name))));
}

const family = { unix: 1, ipv4: 2, ipv6: 10 } as const;
const streamSocket = 1;
const closeOnExec = 0o2000000;
const nonBlocking = 0o4000;

/** Brings up the loopback device of this thread's network namespace. */
export function raiseLoopback(): void {
  const socket = checked('socket', c.socket(family.ipv4, 2 | closeOnExec, 0));
  try {
    const request = Buffer.alloc(40);
    request.write('lo', 0, 'latin1');
    const isUp = 0x1;
    const isRunning = 0x40;
    request.writeInt16LE(isUp | isRunning, 16);
    const setFlags = 0x8914n;
    checked('ioctl', c.ioctl(socket, setFlags, request));
  } finally {
    closeSync(socket);
  }
}

/** A listening socket under a path, for the terminal of a container. */
export function listenAt(at: string): number {
  const socket = checked('socket', c.socket(family.unix, streamSocket | closeOnExec | nonBlocking, 0));
  const address = Buffer.alloc(110);
  address.writeUInt16LE(family.unix, 0);
  address.write(at, 2, 107, 'utf8');
  try {
    checked('bind', c.bind(socket, address, address.length));
    checked('listen', c.listen(socket, 1));
    return socket;
  } catch (error) {
    closeSync(socket);
    throw error;
  }
}

/** The descriptor that was sent to a listening socket, by who has connected and sent it already. Throws with `EAGAIN` where nobody has. */
export function receiveDescriptor(listening: number): number {
  const connection = checked('accept4', c.accept4(listening, null, null, closeOnExec));
  try {
    const data = Buffer.alloc(4096);
    const control = Buffer.alloc(24);
    const vector = Buffer.alloc(16);
    vector.writeBigUInt64LE(getRawPointer(data), 0);
    vector.writeBigUInt64LE(BigInt(data.length), 8);
    const header = Buffer.alloc(56);
    header.writeBigUInt64LE(getRawPointer(vector), 16);
    header.writeBigUInt64LE(1n, 24);
    header.writeBigUInt64LE(getRawPointer(control), 32);
    header.writeBigUInt64LE(BigInt(control.length), 40);
    const atOnce = 0x40;
    const controlCloseOnExec = 0x40000000;
    checked('recvmsg', Number(c.recvmsg(connection, header, atOnce | controlCloseOnExec)));
    const rights = 1;
    if (control.readInt32LE(12) !== rights) throw new SystemCallError('recvmsg', 'ENOMSG');
    return control.readInt32LE(16);
  } finally {
    closeSync(connection);
  }
}

/** Tells a terminal its size. */
export function setTerminalSize(
  terminal: number,
  { columns, rows }: { readonly columns: number; readonly rows: number },
): void {
  const size = Buffer.alloc(8);
  size.writeUInt16LE(rows, 0);
  size.writeUInt16LE(columns, 2);
  const setSize = 0x5414n;
  checked('ioctl', c.ioctl(terminal, setSize, size));
}

/** A socket of this thread's network namespace that begins to connect to a port of its loopback address. */
export function connectToLoopback(version: 'ipv4' | 'ipv6', port: number): number {
  const socket = checked('socket', c.socket(family[version], streamSocket | closeOnExec | nonBlocking, 0));
  const address = Buffer.alloc(version === 'ipv4' ? 16 : 28);
  address.writeUInt16LE(family[version], 0);
  address.writeUInt16BE(port, 2);
  if (version === 'ipv4') address.writeUInt32BE(0x7f000001, 4);
  else address[23] = 1;
  if (c.connect(socket, address, address.length) === 0) return socket;
  const error = getInt32(errorPlace);
  // Node has no name for it.
  const inProgress = 115;
  if (error === inProgress) return socket;
  closeSync(socket);
  throw new SystemCallError('connect', getSystemErrorName(-error));
}

/** Whether a socket has connected: undefined while it has not. Throws with what kept it from that. */
export function hasConnected(socket: number): true | undefined {
  const entry = Buffer.alloc(8);
  entry.writeInt32LE(socket, 0);
  const canWrite = 4;
  entry.writeInt16LE(canWrite, 4);
  if (checked('poll', c.poll(entry, 1n, 0)) === 0) return undefined;
  const failed = 8 | 16;
  if ((entry.readInt16LE(6) & failed) !== 0) throw new SystemCallError('connect', 'ECONNREFUSED');
  return true;
}

/** Lets the kernel end others first when the machine has no memory. A system that refuses it is as it was. */
export function protectFromMemoryEnd(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '-900');
  } catch {
    // Without the right to, this process is as likely to be ended as others of its size.
  }
}
