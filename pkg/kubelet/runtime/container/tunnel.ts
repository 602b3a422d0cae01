/** A connection to a port inside of a pod's network namespace, by way of the monitor. */
import type { Socket } from 'node:net';
import { RuntimeError } from '../runtime.ts';
import { encodeJson, type FromProcess } from './monitor/protocol.ts';

const headerBytes = 5;

/** Where it leads. */
export interface TunnelOptions {
  readonly namespace: string;
  readonly port: number;
  readonly signal?: AbortSignal | undefined;
}

/** Turns a new connection to the monitor into one to the port. Rejects with `failed` where nobody listens; `signal` ends it later, too. */
export function openTunnel(socket: Socket, { namespace, port, signal }: TunnelOptions): Promise<Socket> {
  const cancel = (): unknown => socket.destroy();
  if (signal?.aborted) cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  socket.once('close', () => signal?.removeEventListener('abort', cancel));
  socket.write(encodeJson({ type: 'connect', namespace, port }));
  return new Promise((resolve, reject) => {
    const failed = (why: string): void => {
      socket.destroy();
      reject(new RuntimeError('failed', `failed to connect to port ${port} of the pod: ${why}`));
    };
    const lost = (): void => failed('the connection was lost');
    let came = Buffer.alloc(0);
    const listen = (chunk: Buffer): void => {
      came = Buffer.concat([came, chunk]);
      const length = came.length < headerBytes ? Number.POSITIVE_INFINITY : headerBytes + came.readUInt32BE(0);
      if (came.length < length) return;
      socket.pause();
      socket.off('data', listen);
      socket.off('close', lost);
      const answer: FromProcess = JSON.parse(came.subarray(headerBytes, length).toString());
      if (answer.type !== 'opened') {
        failed(answer.type === 'problem' ? answer.message : 'it was not opened');
        return;
      }
      // What follows is what the port says.
      if (came.length > length) socket.unshift(came.subarray(length));
      resolve(socket);
    };
    socket.on('data', listen);
    socket.once('close', lost);
  });
}
