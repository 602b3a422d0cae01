/** A shell that reads its commands from standard input, a line at a time, with a prompt where that is a terminal. */
import { Cancelled, put, readLine, type Source } from './io.ts';
import { Leave } from './leave.ts';
import { parse } from './parse.ts';
import type { Streams } from './redirect.ts';
import type { Shell } from './shell.ts';
import { type List, SyntaxProblem } from './syntax.ts';

/** A terminal at which somebody sits. */
export interface InteractiveSource extends Source {
  /** Calls `listener` when somebody interrupts, until the returned function is called. */
  onInterrupt(listener: () => void): () => void;
}

const interruptedExitCode = 130;

function isTerminal(source: Source): source is InteractiveSource {
  return 'onInterrupt' in source;
}

/** Runs what comes until its end or an `exit`; resolves with the exit code. */
export async function interact(shell: Shell, streams: Streams): Promise<number> {
  const { stdin, stdout, stderr } = streams;
  const terminal = isTerminal(stdin) ? stdin : undefined;
  const prompt = async (text: string): Promise<void> => {
    if (terminal !== undefined) await put(stdout, text);
  };
  const outer = shell.signal;
  let pending = '';
  for (;;) {
    await prompt(pending === '' ? `${shell.cwd} # ` : '> ');
    const line = await readLine(stdin);
    if (outer.aborted) throw new Cancelled();
    if (line === undefined) break;
    pending += line.toString();
    let list: List;
    try {
      list = parse(pending);
    } catch (error) {
      if (!(error instanceof SyntaxProblem)) throw error;
      if (error.isUnfinished) continue;
      pending = '';
      shell.status = 2;
      await put(stderr, `${shell.name}: ${error.message}\n`);
      if (terminal === undefined) return 2;
      continue;
    }
    pending = '';
    const left = await runInterruptible(shell, list, streams, terminal);
    if (left !== undefined) return left;
  }
  if (pending !== '') {
    await put(stderr, `${shell.name}: syntax error: unexpected end of file\n`);
    return 2;
  }
  await prompt('\n');
  return shell.status;
}

/** Runs one line; somebody at the terminal can end it. Resolves with an exit code when the shell is left. */
async function runInterruptible(
  shell: Shell,
  list: List,
  streams: Streams,
  terminal: InteractiveSource | undefined,
): Promise<number | undefined> {
  const outer = shell.signal;
  const stop = new AbortController();
  const end = (): void => stop.abort();
  outer.addEventListener('abort', end, { once: true });
  const ignore = terminal?.onInterrupt(end);
  shell.signal = stop.signal;
  try {
    await shell.list(list, streams);
  } catch (error) {
    if (error instanceof Leave) return error.value & 255;
    if (!(error instanceof Cancelled) || outer.aborted) throw error;
    shell.status = interruptedExitCode;
  } finally {
    shell.signal = outer;
    ignore?.();
    outer.removeEventListener('abort', end);
  }
  return undefined;
}
