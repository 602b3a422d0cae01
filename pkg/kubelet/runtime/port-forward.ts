/** A connection to a program's port at its pod's address, which is one of this machine. */
import { connect, type Socket } from 'node:net';
import { errorText } from '#pkg/base/error-text.ts';
import { RuntimeError } from './runtime.ts';
import type { PortForwardOptions } from './streams.ts';

/** Connects. Rejects with `failed` where nobody listens or `signal` is aborted first, which ends the connection later, too. */
export function connectTo({ port, addresses, signal }: PortForwardOptions): Promise<Socket> {
  const host = addresses[0];
  if (host === undefined) return Promise.reject(new RuntimeError('failed', 'the pod has no address'));
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host, allowHalfOpen: true, ...(signal === undefined ? {} : { signal }) });
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
