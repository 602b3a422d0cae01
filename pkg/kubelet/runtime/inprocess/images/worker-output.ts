/**
 * Standard output and error of a program: writes go straight into the ring that the host's main thread reads, and wait while it is full, as
 * those of a process to a pipe do. So what was written before an exit arrives, and nothing piles up in this thread.
 */
import { Writable } from 'node:stream';
import type { LogRingWriter } from '../host/log-ring.ts';

/** Makes the ring what `process.stdout` and `process.stderr` are. */
export function replaceOutput(ring: LogRingWriter): void {
  for (const [name, fd] of [
    ['stdout', 1],
    ['stderr', 2],
  ] as const) {
    const stream = new Writable({
      write(chunk: Buffer, _, done) {
        ring.write(name, chunk);
        done();
      },
    });
    Object.assign(stream, { fd, _type: 'pipe', _isStdio: true, destroySoon: () => {}, _destroy: keepOpen });
    Object.defineProperty(process, name, { configurable: true, enumerable: true, get: () => stream });
  }
}

/** As a process's own streams: `destroy` leaves them open. */
function keepOpen(_: unknown, done: (error?: Error | null) => void): void {
  done();
}
