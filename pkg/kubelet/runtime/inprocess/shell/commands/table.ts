/** The commands that every in-process container has, whatever its image. */
import { CommandError, put } from '../io.ts';
import { Shell } from '../shell.ts';
import type { Utility } from '../utility.ts';
import { hexdump } from './dump.ts';
import { fileCommands } from './files.ts';
import { nameCommands } from './names.ts';
import { networkCommands } from './network.ts';
import { systemCommands } from './system.ts';
import { tar } from './tar.ts';
import { textCommands } from './text.ts';

/** A command by its name, or undefined. */
export function findCommand(name: string): Utility | undefined {
  return Object.hasOwn(commands, name) ? commands[name] : undefined;
}

/** `sh -c SCRIPT [NAME [ARG…]]`, `sh FILE [ARG…]`, or what standard input says; on a terminal with a prompt. */
const sh: Utility = async (invocation) => {
  const { container, env, cwd, signal, terminal, stdin, stdout, stderr } = invocation;
  let [rest, reads] = [[...invocation.args], false];
  const options: string[] = [];
  while (rest[0] !== undefined && /^-[a-z]+$/.test(rest[0])) {
    options.push(...(rest.shift() ?? '').slice(1));
    if (options.includes('c')) break;
  }
  const unknown = options.find((letter) => !'ceiluxs'.includes(letter));
  if (unknown !== undefined) throw new CommandError(`-${unknown}: this option is not known here`, 2);
  let script: string | undefined;
  let name = 'sh';
  if (options.includes('c')) {
    script = rest.shift();
    if (script === undefined) throw new CommandError('-c requires an argument', 2);
    name = rest.shift() ?? name;
  } else if (rest[0] !== undefined && !options.includes('s')) {
    name = rest.shift() ?? '';
    const handle = await container.files.open(container.files.absolute(cwd, name), 'r').catch(() => undefined);
    if (handle === undefined) throw new CommandError(`can't open '${name}': No such file or directory`, 2);
    script = await handle.readFile('utf8').finally(() => handle.close());
  } else reads = true;
  const find = (wanted: string): Utility | undefined => container.find(baseName(wanted));
  const shell = new Shell({
    container,
    signal,
    env: { PWD: cwd, ...env },
    cwd,
    name,
    positional: rest,
    terminal,
    find,
  });
  shell.endsOnFailure = options.includes('e');
  shell.isStrict = options.includes('u');
  shell.isTracing = options.includes('x');
  if (!reads) return shell.run(script!, { stdin, stdout, stderr });
  const { interact } = await import('../interactive.ts');
  return interact(shell, { stdin, stdout, stderr });
};

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

const commands: Readonly<Record<string, Utility>> = {
  ...fileCommands,
  ...nameCommands,
  ...networkCommands,
  ...systemCommands,
  ...textCommands,
  hexdump,
  ash: sh,
  bash: sh,
  clear: async ({ stdout }) => {
    await put(stdout, '\x1b[H\x1b[2J');
    return 0;
  },
  sh,
  tar,
  which: async ({ args, container, stdout }) => {
    let status = 0;
    for (const name of args) {
      if (container.find(name) === undefined) status = 1;
      else await put(stdout, `/bin/${name}\n`);
    }
    return status;
  },
};
