/**
 * Streams for runtimes that have commands with whole results, and output as lines: no input and no terminal. What they cannot do is refused with
 * `unsupported`, never left out.
 */
import { Buffer } from 'node:buffer';
import {
  type ExecResult,
  type LogLine,
  type RuntimeCapabilities,
  RuntimeError,
  type RuntimeFeature,
} from './runtime.ts';
import type { ProcessStreams } from './streams.ts';

/** Rejects what a runtime has not the feature for. */
export function requireFeature({ features, name }: RuntimeCapabilities, feature: RuntimeFeature, what: string): void {
  if (features.has(feature)) return;
  throw new RuntimeError('unsupported', `${what} is not supported by the ${name} runtime`);
}

/** The streams of a command whose output comes with its end. */
export function commandStreams(running: Promise<ExecResult>): ProcessStreams {
  const exitCode = running.then((result) => result.exitCode);
  // Whoever reads the output alone is told by that.
  exitCode.catch(() => {});
  const output = async function* (stream: 'stderr' | 'stdout'): AsyncGenerator<Uint8Array> {
    const text = (await running)[stream];
    if (text !== '') yield Buffer.from(text);
  };
  return { stdout: output('stdout'), stderr: output('stderr'), exitCode, resize() {} };
}

/** A container's output as lines. */
export interface OutputSource {
  /** Later lines, until the container ends or `signal` is aborted. */
  follow(): AsyncIterable<LogLine>;
  /** The container's exit. */
  readonly exitCode: Promise<number>;
  readonly signal?: AbortSignal;
}

/** The output of a container from now on. */
export function attachedStreams({ follow, exitCode, signal }: OutputSource): ProcessStreams {
  const ended =
    signal === undefined
      ? exitCode
      : Promise.race([
          exitCode,
          new Promise<never>((_, reject) => {
            const leave = (): void => reject(new RuntimeError('failed', 'attaching was cancelled'));
            if (signal.aborted) leave();
            signal.addEventListener('abort', leave, { once: true });
          }),
        ]);
  ended.catch(() => {});
  const output = (stream: 'stderr' | 'stdout'): AsyncGenerator<Uint8Array> => {
    const lines = follow()[Symbol.asyncIterator]();
    // Asked for at once, so that what comes before somebody reads is not missed.
    const first = lines.next();
    first.catch(() => {});
    return ofStream(first, lines, stream);
  };
  return { stdout: output('stdout'), stderr: output('stderr'), exitCode: ended, resize() {} };
}

async function* ofStream(
  first: Promise<IteratorResult<LogLine>>,
  lines: AsyncIterator<LogLine>,
  stream: LogLine['stream'],
): AsyncGenerator<Uint8Array> {
  for (let next = await first; next.done !== true; next = await lines.next()) {
    const { text, partial } = next.value;
    if (next.value.stream === stream) yield Buffer.from(partial === true ? text : `${text}\n`);
  }
}
