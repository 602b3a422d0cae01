/** `coxswain faults add|list|remove`: faults that the requests to a running cluster meet, where its API server was started with fault injection. */
import { readFile } from 'node:fs/promises';
import { connectionOf } from '#cmd/common/connection.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { neverAborted } from '#pkg/base/async.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { bodyObject } from '#pkg/client/body-object.ts';
import type { Transport } from '#pkg/client/client.ts';
import { commandOverview, type FlagTable, helpText, parseFlags, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { FaultRule } from '#pkg/faults/fault-rule.ts';
import type { FaultState } from '#pkg/faults/fault-set.ts';
import { readRuleText } from '#pkg/faults/read-rules.ts';
import { TableLayout } from '#pkg/kubectl/tables.ts';
import { clusterFlags } from './cluster-flags.ts';
import { ClusterFolder } from './folder.ts';
import { formatted, outputFlag } from './output.ts';
import { checkName, dataFolder, type World } from './world.ts';

const flags = {
  ...clusterFlags,
  kubeconfig: text({ help: 'Kubeconfig in place of the cluster’s own.', placeholder: 'file' }),
  output: outputFlag,
} satisfies FlagTable;

const commands = {
  add: {
    summary: 'Add the rules of files; all of them, or none where something is wrong with one.',
    operands: ' FILE…',
  },
  list: { summary: 'List the rules that hold, and how often each has hit.', operands: '' },
  remove: { summary: 'End rules by their names.', operands: ' NAME…' },
} as const;

const overview = 'Faults that the requests to a cluster meet (docs/faults-on-demand.md).';

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
  const parsed = parseFlags(flags, rest);
  if (!parsed.ok) throw new UserError(`${parsed.message} ${hint}`);
  if (parsed.help) {
    world.write(helpText(flags, { usage: `coxswain faults ${name}${operands} [flags]`, summary }));
    return 0;
  }
  const { values, rest: words } = parsed;
  if (operands === '' && words.length > 0) throw new UserError(`unexpected argument: ${words[0]} ${hint}`);
  if (operands !== '' && words.length === 0) throw new UserError(`say${operands.slice(0, -1)} ${hint}`);
  checkName(values.name);
  const rules = name === 'add' ? await rulesOf(words) : [];
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const transport = await connectionOf(values.kubeconfig === '' ? folder.kubeconfig : values.kubeconfig);
  try {
    if (name === 'remove') for (const word of words) await ask(transport, 'DELETE', `/${encodeURIComponent(word)}`);
    else {
      const answer =
        name === 'add' ? await ask(transport, 'POST', '', { faults: rules }) : await ask(transport, 'GET', '');
      const states = isAnswer(answer) ? answer.faults : [];
      world.write(values.output === '' ? tableOf(states) : await formatted(states, values.output));
    }
    return 0;
  } finally {
    await transport.close();
  }
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
    return readRuleText(text, ['server']);
  } catch (error) {
    throw new UserError(`${path}: ${errorText(error)}`, error);
  }
}

async function ask(transport: Transport, method: string, below: string, body?: object): Promise<unknown> {
  const response = await transport.request({
    method,
    path: `/debug/faults${below}`,
    query: '',
    headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: { kind: 'object', object: body } }),
    peer: { address: '' },
    signal: neverAborted,
  });
  if (response.status === 404 && response.headers['content-type']?.startsWith('application/json') !== true)
    throw new UserError(
      'the cluster injects no faults: start it with "coxswain up --extra-config kube-apiserver.fault-injection=true"',
    );
  const answer = await bodyObject(response);
  if (response.status < 300) return answer;
  throw new UserError(isObject(answer) ? `${answer.message}` : `the server answered ${response.status}`);
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
