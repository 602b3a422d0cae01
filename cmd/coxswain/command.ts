/** The `coxswain` command: finds the subcommand, loads only that, and turns what goes wrong into one line and exit code 1. */
import { explain } from '#cmd/common/errors.ts';
import { commandOverview } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { commands } from './command-table.ts';
import { exitCodes, systemWorld, type World } from './world.ts';

function overview(): string {
  return commandOverview({
    summary: 'Kubernetes on this machine: no Docker, no root.',
    usage: 'coxswain [--quiet] <command> [flags]',
    commands,
  });
}

async function main(world: World, args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === '--quiet' || name === '-q') return quietly(world, rest);
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    world.write(overview());
    return exitCodes[name === undefined ? 'failed' : 'done'].code;
  }
  const key = name === '--version' ? 'version' : name;
  const command = Object.hasOwn(commands, key) ? commands[key] : undefined;
  if (command !== undefined) return (await command.load())(world, rest);
  throw new UserError(`unknown command "${name}": "coxswain --help" lists them`);
}

/** Runs a command of which only the exit code and what goes wrong are of interest. */
function quietly(world: World, args: readonly string[]): Promise<number> {
  if (args[0] === 'kubectl') throw new UserError('Cannot use --quiet with kubectl, which has flags of its own');
  return main({ ...world, isQuiet: true, write: () => {} }, args);
}

const world = systemWorld();
try {
  process.exitCode = await main(world, process.argv.slice(2));
} catch (error) {
  world.writeError(`coxswain: ${explain(error)}\n`);
  if (world.environment.COXSWAIN_DEBUG) world.writeError(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = exitCodes.failed.code;
}
