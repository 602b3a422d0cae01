/** The commands every in-process container has, whatever its image: enough for probes, hooks and examples. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { sleep } from '#pkg/base/async.ts';
import type { Command, CommandOutput, ProgramContext, WriteOutput } from './program.ts';
import { parseScript, type ShellCommand } from './shell.ts';

/** A built-in command by name, or undefined. */
export function findCommand(name: string): Command | undefined {
  return Object.hasOwn(commands, name) ? commands[name] : undefined;
}

const commands: Readonly<Record<string, Command>> = {
  cat: async (context, args) => {
    let stdout = '';
    for (const path of args) {
      try {
        stdout += await readFile(context.resolve(path), 'utf8');
      } catch {
        return { exitCode: 1, stdout, stderr: `cat: ${path}: No such file or directory\n` };
      }
    }
    return { exitCode: 0, stdout };
  },
  echo: (_, args) => ({ exitCode: 0, stdout: `${args.join(' ')}\n` }),
  env: (context) => ({
    exitCode: 0,
    stdout: Object.entries(context.env)
      .map(([name, value]) => `${name}=${value ?? ''}\n`)
      .join(''),
  }),
  false: () => ({ exitCode: 1 }),
  hostname: (context) => ({ exitCode: 0, stdout: `${context.hostname}\n` }),
  ls: async (context, args) => {
    const path = args.find((arg) => !arg.startsWith('-')) ?? '.';
    try {
      const names = await readdir(context.resolve(path));
      return {
        exitCode: 0,
        stdout: names
          .sort()
          .map((name) => `${name}\n`)
          .join(''),
      };
    } catch {
      return { exitCode: 1, stderr: `ls: ${path}: No such file or directory\n` };
    }
  },
  sh: (context, args, signal, write) => {
    const [flag, script] = args;
    if (flag !== '-c' || script === undefined) {
      return { exitCode: 2, stderr: 'sh: only "sh -c <commands>" is supported in this runtime\n' };
    }
    return runScript(context, { script, signal, write });
  },
  sleep: async (context, args, signal) => {
    const seconds = args[0] === 'infinity' ? 2 ** 31 : Number(args[0]);
    if (!(seconds >= 0)) return { exitCode: 1, stderr: `sleep: invalid time interval '${args[0] ?? ''}'\n` };
    return { exitCode: (await sleep(context.clock, seconds * 1000, signal)) ? 0 : 143 };
  },
  touch: async (context, args) => {
    for (const path of args) await writeFile(context.resolve(path), '', { flag: 'a' });
    return { exitCode: 0 };
  },
  true: () => ({ exitCode: 0 }),
};

interface ScriptRun {
  readonly script: string;
  readonly signal: AbortSignal;
  readonly write: WriteOutput | undefined;
}

async function runScript(context: ProgramContext, run: ScriptRun): Promise<CommandOutput> {
  const { script, signal } = run;
  const parsed = parseScript(script, (name) => context.env[name] ?? '');
  if (typeof parsed === 'string') return { exitCode: 2, stderr: `sh: ${parsed}\n` };
  let exitCode = 0;
  let stdout = '';
  let stderr = '';
  const write: WriteOutput =
    run.write ??
    ((stream, text) => {
      if (stream === 'stdout') stdout += text;
      else stderr += text;
    });
  for (const command of parsed) {
    if (signal.aborted) return { exitCode: 143, stdout, stderr };
    if (command.when === 'success' && exitCode !== 0) continue;
    if (command.when === 'failure' && exitCode === 0) continue;
    const [name = '', ...args] = command.words;
    if (name === 'exit') return { exitCode: Number(args[0] ?? exitCode) & 255, stdout, stderr };
    const found = findCommand(name);
    if (found === undefined) {
      exitCode = 127;
      write('stderr', `sh: ${name}: not found\n`);
      continue;
    }
    const output = await found(context, args, signal);
    exitCode = output.exitCode;
    write('stderr', output.stderr ?? '');
    if (command.redirect === undefined) write('stdout', output.stdout ?? '');
    else await redirect(context, command, output.stdout ?? '');
  }
  return { exitCode, stdout, stderr };
}

async function redirect(context: ProgramContext, command: ShellCommand, text: string): Promise<void> {
  const { path, append } = command.redirect!;
  await writeFile(context.resolve(path), text, { flag: append ? 'a' : 'w' });
}
