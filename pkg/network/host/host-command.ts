/**
 * Runs the programs that change a Linux machine's network (`ip`, `nft`, `conntrack`), in a network namespace where one is named. What is to be
 * done in one go is given on standard input, so that one process does it. Nothing here knows what the programs do.
 */
import { type ChildProcess, spawn } from 'node:child_process';

/** What is kept of an output, in characters: more than the largest listing asked for, a namespace's connections. */
const outputMax = 64 * 1024 * 1024;

/** Which namespace and what to read. */
export interface HostCommandOptions {
  /** Path of a network namespace; absent for that of this process. */
  readonly namespace?: string | undefined;
  /** For standard input. */
  readonly input?: string;
  readonly signal?: AbortSignal | undefined;
}

/** How a program ended. */
export interface HostCommandResult {
  /** Its exit code; 127 where it could not be started, 128 where a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command did not do what it was asked for. */
class HostCommandError extends Error {
  readonly result: HostCommandResult;

  constructor(command: readonly string[], result: HostCommandResult) {
    super(`Cannot run ${command.join(' ')} as ${firstLine(result.stderr) || `it ended with ${result.code}`}`);
    this.name = 'HostCommandError';
    this.result = result;
  }
}

/** The command as it runs in a namespace. */
export function inNamespace(command: readonly string[], namespace: string | undefined): readonly string[] {
  return namespace === undefined ? command : ['nsenter', `--net=${namespace}`, '--', ...command];
}

/** Runs a program to its end, whatever that is; `signal` kills it. */
export function tryHostCommand(
  command: readonly string[],
  options: HostCommandOptions = {},
): Promise<HostCommandResult> {
  const [program = '', ...rest] = inNamespace(command, options.namespace);
  return new Promise((resolve) => {
    const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'pipe'], signal: options.signal });
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
    child.on('error', (error) => resolve({ code: 127, stdout: stdout(), stderr: stderr() || error.message }));
    child.on('close', (code) => resolve({ code: code ?? 128, stdout: stdout(), stderr: stderr() }));
    // A program that ends before it has read all says so by its exit code.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}

/** What a program says. Throws `HostCommandError` where it ends with anything but 0. */
export async function hostCommand(command: readonly string[], options: HostCommandOptions = {}): Promise<string> {
  const result = await tryHostCommand(command, options);
  if (result.code !== 0) throw new HostCommandError(command, result);
  return result.stdout;
}

function collect(stream: ChildProcess['stdout']): () => string {
  let text = '';
  stream?.setEncoding('utf8').on('data', (data: string) => {
    if (text.length < outputMax) text += data;
  });
  return () => text;
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
