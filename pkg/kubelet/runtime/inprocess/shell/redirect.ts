/** Redirections: which files and descriptors a command reads and writes. Source: POSIX.1-2024, Shell Command Language, section 2.7. */
import type { FileHandle } from 'node:fs/promises';
import type { Expander } from './expand.ts';
import { pathError } from './files.ts';
import { bytesSource, CommandError, fileSink, fileSource, noInput, noOutput, type Sink, type Source } from './io.ts';
import type { Redirect, Word } from './syntax.ts';

/** What a command has as its descriptors 0, 1 and 2. */
export interface Streams {
  readonly stdin: Source;
  readonly stdout: Sink;
  readonly stderr: Sink;
}

/** What words of redirections mean. */
export interface RedirectOptions {
  readonly expander: Expander;
  /** What a word comes to. */
  input(word: Word): Promise<string>;
}

/** Opens what is redirected, in order. `close` closes what was opened; on failure all of it is closed already. Throws `CommandError`. */
export async function openRedirects(
  redirects: readonly Redirect[],
  streams: Streams,
  { expander, input }: RedirectOptions,
): Promise<{ readonly streams: Streams; close(): Promise<void> }> {
  const open: { close(): unknown }[] = [];
  const close = async (): Promise<void> => {
    for (const one of open) await one.close();
  };
  let result = streams;
  try {
    for (const { descriptor, operator, target } of redirects) {
      const text = await input(target);
      if (operator === '<<') result = { ...result, stdin: bytesSource(Buffer.from(text)) };
      else if (operator === '<&' || operator === '>&') result = duplicate(result, descriptor, text);
      else {
        const place = await openFile(text, operator, expander);
        open.push(place);
        result = withFile(result, descriptor, place);
      }
    }
    return { streams: result, close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface OpenPlace {
  readonly source: Source;
  readonly sink: Sink;
  close(): unknown;
}

async function openFile(path: string, operator: Redirect['operator'], { files, cwd }: Expander): Promise<OpenPlace> {
  const absolute = files.absolute(cwd, path);
  // A container's own folder has no devices.
  if (absolute === '/dev/null') return { source: noInput, sink: noOutput, close() {} };
  let handle: FileHandle;
  try {
    handle = await files.open(
      absolute,
      operator === '<' ? 'r' : operator === '>>' ? 'a' : operator === '<>' ? 'r+' : 'w',
    );
    if ((await handle.stat()).isDirectory()) {
      await handle.close();
      throw new CommandError(`${path}: Is a directory`);
    }
  } catch (error) {
    throw pathError(path, error);
  }
  const source = fileSource(handle);
  return { source, sink: fileSink(handle), close: () => (operator === '<' ? source.cancel() : handle.close()) };
}

function withFile(streams: Streams, descriptor: number, { source, sink }: OpenPlace): Streams {
  if (descriptor === 0) return { ...streams, stdin: source };
  if (descriptor === 1) return { ...streams, stdout: sink };
  if (descriptor === 2) return { ...streams, stderr: sink };
  throw new CommandError(`${descriptor}: bad file descriptor`, 2);
}

function duplicate(streams: Streams, descriptor: number, target: string): Streams {
  const closed = target === '-';
  if (descriptor === 0 && (closed || target === '0')) return closed ? { ...streams, stdin: noInput } : streams;
  const sink = closed ? noOutput : target === '1' ? streams.stdout : target === '2' ? streams.stderr : undefined;
  if (sink === undefined || descriptor < 1 || descriptor > 2)
    throw new CommandError(`${target}: bad file descriptor`, 2);
  return descriptor === 1 ? { ...streams, stdout: sink } : { ...streams, stderr: sink };
}
