/**
 * Gives back what the C library has free as soon as the process has grown fast: of thousands of connections that come, send something and go, each has
 * its own buffers, so that what the first ones leave does not serve the next. Invariant: it takes a twentieth of the time at most.
 */
import type { Clock } from '#pkg/base/clock.ts';
import type { ProcessMemory } from './process-memory.ts';

/** Growth from which on it is done. What connections leave behind has often not grown more than that when it is given back. */
const surgeBytesMin = 64 * 1024 * 1024;
/** Pauses may take this share of the time: after one of 200 ms there is none for 4 s, and a slow machine still returns a burst's memory soon. */
export const pauseShareMax = 0.05;

/** Looks at the memory of one process. */
export class Surges {
  readonly #clock: Clock;
  readonly #memory: Pick<ProcessMemory, 'residentBytes' | 'trim'>;
  #leastBytes: number;
  #notBeforeMs = 0;

  constructor(clock: Clock, memory: Pick<ProcessMemory, 'residentBytes' | 'trim'>) {
    this.#clock = clock;
    this.#memory = memory;
    this.#leastBytes = memory.residentBytes();
  }

  /** To be called many times a second. */
  look(): void {
    const bytes = this.#memory.residentBytes();
    this.#leastBytes = Math.min(this.#leastBytes, bytes);
    const startMs = this.#clock.monotonicMs();
    if (bytes - this.#leastBytes < surgeBytesMin || startMs < this.#notBeforeMs) return;
    this.#memory.trim();
    this.#leastBytes = this.#memory.residentBytes();
    const endMs = this.#clock.monotonicMs();
    this.#notBeforeMs = endMs + (endMs - startMs) / pauseShareMax;
  }
}
