/** `taint`: what keeps pods off nodes. Source: kubectl `cmd/taint/taint.go`, `cmd/taint/utils.go`. */
import { labelValueProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type FlagTable, type FlagValues, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList, digText } from './api.ts';
import { dryRunFlag, type KubectlContext, managerFlag, printFlags, selectorFlag, validateFlag } from './context.ts';
import { pathOf } from './discovery.ts';
import { checkDryRun, dryRunQuery, drySuffix, ResultPrinter } from './printing.ts';
import { parseTargets, resolveObjects } from './targets.ts';

/** The flags of the command. */
export const taintFlags = {
  ...printFlags,
  all: toggle({ help: 'All nodes.' }),
  'dry-run': dryRunFlag,
  'field-manager': managerFlag('kubectl-taint'),
  overwrite: toggle({ help: 'Replace taints that are there.' }),
  selector: selectorFlag,
  validate: validateFlag,
} satisfies FlagTable;

type Values = FlagValues<typeof taintFlags> & { readonly namespace: string };

interface Taint {
  readonly key: string;
  readonly value: string;
  readonly effect: string;
}

interface Changes {
  readonly added: readonly Taint[];
  /** Those without an effect mean all of their key. */
  readonly removed: readonly Taint[];
}

const effects = ['NoExecute', 'NoSchedule', 'PreferNoSchedule'];

/** Runs the command; resolves to its exit code. */
export async function taint(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  const printer = new ResultPrinter(context, values);
  checkDryRun(values['dry-run']);
  const isSpec = (word: string): boolean => word.includes('=') || word.includes(':') || word.endsWith('-');
  const first = args.findIndex(isSpec);
  const words = first < 0 ? args : args.slice(0, first);
  if (words.length === 0) throw new UserError('error: one or more resources must be specified as <resource> <name>');
  const changes = parseChanges(first < 0 ? [] : args.slice(first));
  if (changes.added.length + changes.removed.length === 0)
    throw new UserError('error: at least one taint update is required');
  const targets = await parseTargets(context, words, {});
  if (targets.some(({ mapping }) => mapping.resource !== 'nodes'))
    throw new UserError(`error: invalid resource type ${targets[0]?.mapping.resource}, only node(s) is supported`);
  if (targets.some((target) => target.name === undefined) && !values.all && values.selector === '')
    throw new UserError('error: one or more resources must be specified as <resource> <name>');
  for (const { target, object } of await resolveObjects(context, targets, { selector: values.selector })) {
    const { taints, done } = changedTaints(digList(object, 'spec', 'taints'), changes, {
      isOverwrite: values.overwrite,
      name: target.name ?? '',
    });
    const after =
      values['dry-run'] === 'client'
        ? object
        : await sendTaints(context, values, pathOf(target.mapping, undefined, target.name), taints);
    printer.print(target, after, `${done}${drySuffix(values['dry-run'])}`);
  }
  return 0;
}

async function sendTaints(
  context: KubectlContext,
  values: Values,
  path: string,
  taints: readonly JsonObject[],
): Promise<JsonObject> {
  const { object } = await context.api.call({
    method: 'PATCH',
    path,
    query: { fieldManager: values['field-manager'], dryRun: dryRunQuery(values['dry-run']) },
    body: { spec: { taints: taints.length === 0 ? null : taints } },
    contentType: 'application/merge-patch+json',
  });
  return object;
}

function parseChanges(specs: readonly string[]): Changes {
  const added: Taint[] = [];
  const removed: Taint[] = [];
  for (const spec of specs) {
    if (spec.endsWith('-')) removed.push(parseTaint(spec.slice(0, -1), true));
    else added.push(parseTaint(spec, false));
  }
  const same = (a: Taint, b: Taint): boolean => a.key === b.key && a.effect === b.effect;
  for (const [index, one] of added.entries()) {
    if (added.slice(index + 1).some((other) => same(one, other)))
      throw new UserError(`error: duplicated taints with the same key and effect: ${textOf(one)}`);
    if (removed.some((other) => same(one, other)))
      throw new UserError(
        `error: can not both modify and remove the following taint(s) in the same command: ${textOf(one)}`,
      );
  }
  return { added, removed };
}

function parseTaint(spec: string, isRemoval: boolean): Taint {
  const [pair = '', effect = '', ...more] = spec.split(':');
  const [key = '', value = '', ...rest] = pair.split('=');
  const invalid = new UserError(`error: invalid taint spec: ${spec}`);
  if (more.length > 0 || rest.length > 0) throw invalid;
  if (effect === '' && !isRemoval) throw invalid;
  if (effect !== '' && !effects.includes(effect))
    throw new UserError(`error: invalid taint effect: ${effect}, unsupported taint effect`);
  const [problem] = [...qualifiedNameProblems(key), ...labelValueProblems(value)];
  if (problem !== undefined) throw new UserError(`error: invalid taint spec: ${spec}, ${problem}`);
  return { key, value, effect };
}

function textOf({ key, value, effect }: Taint): string {
  return `${key}${value === '' ? '' : `=${value}`}:${effect}`;
}

function changedTaints(
  current: readonly JsonObject[],
  { added, removed }: Changes,
  { isOverwrite, name }: { readonly isOverwrite: boolean; readonly name: string },
): { readonly taints: readonly JsonObject[]; readonly done: string } {
  const isOf = (one: JsonObject, { key, effect }: Taint): boolean =>
    digText(one, 'key') === key && (effect === '' || digText(one, 'effect') === effect);
  const clashes = added.filter((wanted) => current.some((one) => isOf(one, wanted)));
  if (clashes.length > 0 && !isOverwrite)
    throw new UserError(`error: node ${name} already has a taint(s) with same effect(s) and --overwrite is false`);
  for (const gone of removed) {
    if (!current.some((one) => isOf(one, gone)))
      throw new UserError(
        `error: taint ${JSON.stringify(gone.effect === '' ? gone.key : `${gone.key}:${gone.effect}`)} not found`,
      );
  }
  const kept = current.filter((one) => ![...added, ...removed].some((change) => isOf(one, change)));
  const made = added.map(({ key, value, effect }) => ({ effect, key, ...(value === '' ? {} : { value }) }));
  const done =
    removed.length > 0 && added.length === 0
      ? 'untainted'
      : clashes.length > 0 || removed.length > 0
        ? 'modified'
        : 'tainted';
  return { taints: [...made, ...kept], done };
}
