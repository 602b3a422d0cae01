/** What the commands need of the machine, gathered in one place, and what they say to it when they end. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clock, SystemClock } from '#pkg/base/clock.ts';
import { type Random, SystemRandom } from '#pkg/base/random.ts';
import { UserError } from '#pkg/component/user-error.ts';

/** Time, chance, the environment and the streams that a command has. */
export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Writes to standard output. */
  write(text: string): void;
  /** Writes to standard error. */
  writeError(text: string): void;
  /** Whether a person looks at standard error, where progress is shown. */
  readonly isTerminal: boolean;
  /** Whether nobody wants to hear of anything but what goes wrong: `write` then does nothing, and there is no progress. */
  readonly isQuiet: boolean;
  /** Characters that a line of that terminal has room for; it may change. */
  columns(): number;
  /** Folder of the checkout or package. */
  readonly rootFolder: string;
}

/** Where a terminal does not say how wide it is. */
const columnsDefault = 80;

/** This machine. */
export function systemWorld(): World {
  // A reader that has seen enough, such as `head`, or a log on a disk that is full must not end what runs here.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  return {
    clock: new SystemClock(),
    random: new SystemRandom(),
    environment: process.env,
    write: (text) => void process.stdout.write(text),
    writeError: (text) => void process.stderr.write(text),
    isTerminal: process.stderr.isTTY === true,
    isQuiet: false,
    columns: () => process.stderr.columns ?? columnsDefault,
    rootFolder: fileURLToPath(new URL('../..', import.meta.url)),
  };
}

const namePattern = /^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/;

/** Whether a text can be a cluster's name: part of a node's name, of a context's and of a path. */
export function isName(text: string): boolean {
  return namePattern.test(text);
}

/** Refuses what is no name. */
export function checkName(name: string): void {
  if (isName(name)) return;
  throw new UserError(
    `invalid value "${name}" for --name: it must be at most 40 lower-case letters, digits and dashes, and begin and end with a letter or digit`,
  );
}

/** Where a cluster keeps its data: `--data-dir`, or a folder of its name in the person's home. */
export function dataFolder(world: World, options: { readonly name: string; readonly dataDir: string }): string {
  if (options.dataDir !== '') return resolve(options.dataDir);
  return join(clustersHome(world), options.name);
}

/** Where clusters are kept unless they are told otherwise: `COXSWAIN_HOME`, or `~/.coxswain` where that is not set or empty. */
export function clustersHome(world: World): string {
  const { COXSWAIN_HOME: home = '' } = world.environment;
  return home === '' ? join(homedir(), '.coxswain') : resolve(home);
}

/** The kubeconfig that the person's kubectl reads: `--kubeconfig`, the first of `KUBECONFIG`, or `~/.kube/config`. */
export function userKubeconfig(world: World, flag: string): string {
  if (flag !== '') return resolve(flag);
  const first = world.environment.KUBECONFIG?.split(':').find((path) => path !== '');
  return first === undefined ? join(homedir(), '.kube', 'config') : resolve(first);
}

/** The exit codes with what each says, which `docs/commands.md` has too; kubectl's are its own. */
export const exitCodes = {
  done: { code: 0, meaning: 'It is done, or was so already.' },
  failed: {
    code: 1,
    meaning:
      'It could not be done, and one line on standard error says why; of `status`, `doctor`, `simulate`, `rebalance --perform` and `vm compare` also: what was looked at is not as it should be, and the output says what; of `snapshot diff`: something differs.',
  },
  trouble: {
    code: 2,
    meaning: 'Of `snapshot diff`: there could be no comparison, and one line on standard error says why.',
  },
  interrupted: { code: 130, meaning: 'Ctrl-C was pressed a second time, so nothing was waited for.' },
} as const;
