/** A connection to a program's port at its pod's address, which is one of this machine. */
import { connect, type Socket } from 'node:net';
import { errorText } from '#pkg/base/error-text.ts';
import { RuntimeError } from './runtime.ts';
import type { PortForwardOptions } from './streams.ts';

/** Bytes that are read at a time, and how many such reads are remembered until their memory is given back. */
const readBytes = 64 * 1024;
const readsMax = 32;

/** A connection whose reader may give the memory of what it was given back. */
export interface PortConnection extends Socket {
  /** To be called while bytes are given: what was given before them may be read over. */
  reuse(): void;
}

/**
 * Connects; it gives nothing before it is resumed. Rejects with `failed` where nobody listens or `signal` is aborted first, which ends the connection later, too. New memory for each
 * read is a tenth of what it takes to carry bytes to a client.
 */
export function connectTo({ port, addresses, signal }: PortForwardOptions): Promise<PortConnection> {
  const host = addresses[0];
  if (host === undefined) return Promise.reject(new RuntimeError('failed', 'the pod has no address'));
  const given: Uint8Array[] = [];
  const spare: Uint8Array[] = [];
  const onread = {
    buffer: (): Uint8Array => spare.pop() ?? Buffer.allocUnsafeSlow(readBytes),
    callback(count: number, bytes: Uint8Array): boolean {
      socket.emit('data', bytes.subarray(0, count));
      if (given.length < readsMax) given.push(bytes);
      return true;
    },
  };
  const reuse = (): void => void spare.push(...given.splice(0));
  const options = { port, host, allowHalfOpen: true, onread, ...(signal === undefined ? {} : { signal }) };
  const socket: PortConnection = Object.assign(connect(options), { reuse });
  // What comes is given to whoever listens then.
  socket.pause();
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      reject(new RuntimeError('failed', `failed to connect to port ${port} of the pod: ${errorText(error)}`, error));
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      resolve(socket);
    });
  });
}
