/** A connection to a port of a pod, as from inside of it: a socket that is made in the pod's network namespace and used here. */
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { connectToLoopback, hasConnected, insideNamespace } from './system-calls.ts';

/** Within one machine a port answers at once, unless its program is behind. */
const lookMs = 5;
const looksMax = 2000;

/** Connects, by IPv4 and then by IPv6. Rejects where nobody listens. */
export async function connectInside(namespace: string | undefined, port: number, clock: Clock): Promise<Socket> {
  let problem: unknown;
  for (const version of ['ipv4', 'ipv6'] as const) {
    let descriptor: number | undefined;
    try {
      const connect = (): number => connectToLoopback(version, port);
      descriptor = namespace === undefined ? connect() : insideNamespace('net', namespace, connect);
      for (let looks = 0; hasConnected(descriptor) !== true; looks++) {
        if (looks >= looksMax) throw new Error('connection timed out');
        await sleep(clock, lookMs);
      }
      return new Socket({ fd: descriptor, readable: true, writable: true, allowHalfOpen: true });
    } catch (error) {
      if (descriptor !== undefined) closeSync(descriptor);
      problem ??= error;
    }
  }
  throw problem;
}
