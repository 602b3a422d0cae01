/** `coxswain image`: the images that the nodes of a cluster have. The cluster need not run; its nodes see at once what these commands do. */
import { commandOverview } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { ImageCommand } from './image/image-command.ts';
import { pull, push, registry } from './image/registry-commands.ts';
import { history, load, ls, prune, rm, save, tag } from './image/store-commands.ts';
import type { World } from './world.ts';

const commands: Readonly<Record<string, ImageCommand>> = {
  ls,
  pull,
  load,
  tag,
  push,
  save,
  rm,
  prune,
  history,
  registry,
};

/** Runs the command; resolves to its exit code. Throws `UserError`, and what the system says. */
export async function image(world: World, args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command !== undefined) return command.run(world, rest);
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const summary = 'The images that the nodes of a cluster have.';
    world.write(commandOverview({ summary, usage: 'coxswain image <command>', commands }));
    return name === undefined ? 1 : 0;
  }
  throw new UserError(`unknown command "image ${name}": "coxswain image --help" lists them`);
}
