/** Programs that a command starts and waits for: editors and tools that show differences. */
import { spawn } from 'node:child_process';
import { UserError } from '#pkg/component/user-error.ts';
import type { KubectlContext } from './context.ts';

/** Runs a line of the shell with arguments at the person's terminal; resolves to its exit code. Throws `UserError` where there is no shell. */
export function runInShell(context: KubectlContext, line: string, args: readonly string[]): Promise<number> {
  return runProgram(context, 'sh', ['-c', `${line} "$@"`, 'sh', ...args]);
}

/** Runs a program whose output is printed; resolves to its exit code. */
export function runProgram(context: KubectlContext, program: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args], {
      stdio: [context.machine.terminal === undefined ? 'ignore' : 'inherit', 'pipe', 'inherit'],
      signal: context.signal,
    });
    child.stdout?.setEncoding('utf8').on('data', (text: string) => context.print(text));
    child.once('error', (error) => reject(new UserError(`error: unable to run ${program}: ${error.message}`, error)));
    child.once('close', (code) => resolve(code ?? 1));
  });
}

/** Runs an editor, which has the terminal for itself; resolves to its exit code. */
export function runEditor(context: KubectlContext, editor: string, file: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', `${editor} "$@"`, 'sh', file], { stdio: 'inherit', signal: context.signal });
    child.once('error', (error) =>
      reject(new UserError(`error: unable to launch the editor: ${error.message}`, error)),
    );
    child.once('close', (code) => resolve(code ?? 1));
  });
}
