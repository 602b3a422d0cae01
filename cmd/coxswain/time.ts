/** `coxswain time`: looks at the time of a cluster that was started with `--virtual-time`, and steers it. */
import { isObject } from '#pkg/apimachinery/json.ts';
import { commandOverview, helpText, parseFlags } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { formatted } from './output.ts';
import { pageFlags, withPages } from './own-pages.ts';
import type { World } from './world.ts';

const commands = {
  status: { summary: 'Say what time it is in the cluster and how it passes. The default.', operand: '' },
  pause: { summary: 'Stop time; steps under way end.', operand: '' },
  resume: { summary: 'Let time run again.', operand: '' },
  step: { summary: 'Move time by a duration as fast as the work in it goes, and wait for that.', operand: 'DURATION' },
  speed: { summary: 'Let time pass so many times faster than here, or as fast as the work goes.', operand: 'N|max' },
} as const;

const overview = 'The time of a cluster that was started with "coxswain up --virtual-time".';
const absent = 'the time of this cluster is that of the machine: start one with "coxswain up --virtual-time"';

const isCommand = (name: string): name is keyof typeof commands => Object.hasOwn(commands, name);

/** Runs the command; resolves to its exit code, which is 1 for a step that a pause has ended. Throws `UserError`, also for what the server refuses. */
export async function time(world: World, args: readonly string[]): Promise<number> {
  const [first = 'status', ...others] = args;
  if (first === '--help' || first === '-h' || first === 'help') {
    world.write(commandOverview({ summary: overview, usage: 'coxswain time <command> [flags]', commands }));
    return 0;
  }
  const [name, rest] = first.startsWith('-') ? ['status', args] : [first, others];
  if (!isCommand(name)) throw new UserError(`unknown command "time ${name}": "coxswain time --help" lists them`);
  const { summary, operand } = commands[name];
  const hint = `(see "coxswain time ${name} --help")`;
  const parsed = parseFlags(pageFlags, rest);
  if (!parsed.ok) throw new UserError(`${parsed.message} ${hint}`);
  if (parsed.help) {
    const usage = ['coxswain', 'time', name, ...(operand === '' ? [] : [operand]), '[flags]'].join(' ');
    world.write(helpText(pageFlags, { usage, summary }));
    return 0;
  }
  const { values, rest: words } = parsed;
  const wanted = operand === '' ? 0 : 1;
  if (words.length > wanted) throw new UserError(`unexpected argument: ${words[wanted]} ${hint}`);
  const [word = ''] = words;
  if (words.length < wanted) throw new UserError(`say ${operand} ${hint}`);
  const answer = await withPages(world, values, {
    absent,
    work: (ask) =>
      name === 'status' ? ask('GET', '/debug/time') : ask('POST', `/debug/time/${name}`, bodyOf(name, word)),
  });
  if (!isTime(answer)) throw new UserError('the server answered something else than a time');
  world.write(values.output === '' ? `${lineOf(answer)}\n` : await formatted(answer, values.output));
  return answer.whole === false ? 1 : 0;
}

function bodyOf(name: keyof typeof commands, word: string): object | undefined {
  if (name === 'step') return { by: word };
  // What is no number the server refuses, in words of its own.
  if (name === 'speed') return { speed: Number.isNaN(Number(word)) ? word : Number(word) };
  return undefined;
}

/** As `/debug/time` tells it. */
interface ToldTime {
  readonly now: string;
  readonly paused: boolean;
  readonly speed: number | 'max';
  readonly stepsTo?: string;
  /** Whether all of a step has passed. */
  readonly whole?: boolean;
}

function isTime(answer: unknown): answer is ToldTime {
  return isObject(answer) && typeof answer.now === 'string' && typeof answer.paused === 'boolean';
}

function lineOf({ now, paused, speed, stepsTo, whole }: ToldTime): string {
  const pace = speed === 'max' ? 'as fast as the work goes' : `at ${speed} times real time`;
  const state = paused ? `paused, else ${pace}` : `running ${pace}`;
  const steps = stepsTo === undefined ? '' : `, stepping to ${stepsTo}`;
  return `${now} ${state}${steps}${whole === false ? ': a pause has ended the step' : ''}`;
}
