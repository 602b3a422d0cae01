/** `coxswain faults add|list|remove`: faults that the requests to a running cluster meet, where its API server was started with fault injection. */
import { readFile } from 'node:fs/promises';
import { isObject } from '#pkg/apimachinery/json.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { commandOverview, helpText, parseFlags } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { FaultRule } from '#pkg/faults/fault-rule.ts';
import type { FaultState } from '#pkg/faults/fault-set.ts';
import { readRuleText } from '#pkg/faults/read-rules.ts';
import { TableLayout } from '#pkg/kubectl/tables.ts';
import { formatted } from './output.ts';
import { pageFlags, withPages } from './own-pages.ts';
import { checkName, type World } from './world.ts';

const commands = {
  add: {
    summary: 'Add the rules of files; all of them, or none where something is wrong with one.',
    operands: ' FILE…',
  },
  list: { summary: 'List the rules that hold, and how often each has hit.', operands: '' },
  remove: { summary: 'End rules by their names.', operands: ' NAME…' },
} as const;

const overview = 'Faults that the requests to a cluster meet (docs/faults-on-demand.md).';

const faultsPath = '/debug/faults';
const absent =
  'the cluster injects no faults: start it with "coxswain up --extra-config kube-apiserver.fault-injection=true"';

const isCommand = (name: string): name is keyof typeof commands => Object.hasOwn(commands, name);

/** Runs the command; resolves to its exit code. Throws `UserError`, also for what the server refuses. */
export async function faults(world: World, args: readonly string[]): Promise<number> {
  const [name = '', ...rest] = args;
  if (name === '' || name === '--help' || name === '-h' || name === 'help') {
    world.write(commandOverview({ summary: overview, usage: 'coxswain faults <command> [flags]', commands }));
    return name === '' ? 1 : 0;
  }
  if (!isCommand(name)) throw new UserError(`unknown command "faults ${name}": "coxswain faults --help" lists them`);
  const { summary, operands } = commands[name];
  const hint = `(see "coxswain faults ${name} --help")`;
  const parsed = parseFlags(pageFlags, rest);
  if (!parsed.ok) throw new UserError(`${parsed.message} ${hint}`);
  if (parsed.help) {
    world.write(helpText(pageFlags, { usage: `coxswain faults ${name}${operands} [flags]`, summary }));
    return 0;
  }
  const { values, rest: words } = parsed;
  if (operands === '' && words.length > 0) throw new UserError(`unexpected argument: ${words[0]} ${hint}`);
  if (operands !== '' && words.length === 0) throw new UserError(`say${operands.slice(0, -1)} ${hint}`);
  checkName(values.name);
  const rules = name === 'add' ? await rulesOf(words) : [];
  await withPages(world, values, {
    absent,
    work: async (ask) => {
      if (name === 'remove') {
        for (const word of words) await ask('DELETE', `${faultsPath}/${encodeURIComponent(word)}`);
        return;
      }
      const answer = name === 'add' ? await ask('POST', faultsPath, { faults: rules }) : await ask('GET', faultsPath);
      const states = isAnswer(answer) ? answer.faults : [];
      world.write(values.output === '' ? tableOf(states) : await formatted(states, values.output));
    },
  });
  return 0;
}

/** The rules of all files, checked before anything is asked of the server. */
async function rulesOf(paths: readonly string[]): Promise<readonly FaultRule[]> {
  const rules: FaultRule[] = [];
  for (const path of paths) rules.push(...(await rulesIn(path)));
  return rules;
}

async function rulesIn(path: string): Promise<readonly FaultRule[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new UserError(`Cannot read ${path} (${errorCode(error)})`, error);
  }
  try {
    return readRuleText(text, ['server', 'store']);
  } catch (error) {
    throw new UserError(`${path}: ${errorText(error)}`, error);
  }
}

function isAnswer(answer: unknown): answer is { readonly faults: readonly FaultState[] } {
  return isObject(answer) && Array.isArray(answer.faults);
}

function tableOf(states: readonly FaultState[]): string {
  if (states.length === 0) return 'There are no faults.\n';
  const rows = states.map(({ rule, hits }) => [
    rule.name,
    rule.fault,
    subjectOf(rule),
    `${rule.share ?? 1}`,
    `${hits}`,
  ]);
  return new TableLayout().render([['NAME', 'FAULT', 'ABOUT', 'SHARE', 'HITS'], ...rows]);
}

function subjectOf({ verbs = [], resources = [], nodes = [], lease }: FaultState['rule']): string {
  const words = [verbs, resources, nodes, lease === undefined ? [] : [lease]].filter((list) => list.length > 0);
  return words.map((list) => list.join(',')).join(' ');
}
