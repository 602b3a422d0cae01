/** Streams of simulated programs take input, which nobody reads. */
import type { AttachOptions, ProcessStreams } from '../streams.ts';

/** The streams, with an input where one is asked for. */
export function withInput(streams: ProcessStreams, { stdin }: AttachOptions): ProcessStreams {
  return stdin === true ? { ...streams, stdin: { write: async () => {}, end() {} } } : streams;
}
