/** `set env`, `resources` and `serviceaccount`: changes of pod templates. Source: kubectl `cmd/set/set_env.go`, `set_resources.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { type FlagTable, type FlagValues, list, repeated, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { dig, digList, digMap, digText } from './api.ts';
import { dryRunFlag, fileFlags, type KubectlContext, managerFlag, printFlags, selectorFlag } from './context.ts';
import { quantities } from './create-policy.ts';
import { pathOf } from './discovery.ts';
import { serverError } from './errors.ts';
import { containersOf, nested, podSpecPath } from './pod-specs.ts';
import { checkDryRun, dryRunQuery, drySuffix, ResultPrinter } from './printing.ts';
import { getObject, parseTargets, resolveObjects, type Target, targetOptions } from './targets.ts';

/** The flags of every change of templates. */
export const templateFlags = {
  ...fileFlags,
  ...printFlags,
  all: toggle({ help: 'All objects of the resource in the namespace.' }),
  'dry-run': dryRunFlag,
  'field-manager': managerFlag('kubectl-set'),
  selector: selectorFlag,
  local: toggle({ help: 'Change what the files hold and print it, without the server.' }),
} satisfies FlagTable;

/** The values of those flags. */
export type TemplateValues = FlagValues<typeof templateFlags> & { readonly namespace: string };

/** A change of the pod spec of one object: what to merge into it; undefined for none. */
export type SpecChange = (
  object: JsonObject,
  target: Target,
  path: readonly string[],
) => JsonObject | undefined | Promise<JsonObject | undefined>;

/** Changes the objects that words name, and says what was done; resolves to the exit code. */
export async function changeTemplates(
  context: KubectlContext,
  values: TemplateValues,
  { words, change, done }: { readonly words: readonly string[]; readonly change: SpecChange; readonly done: string },
): Promise<number> {
  const printer = new ResultPrinter(context, values);
  checkDryRun(values['dry-run']);
  const targets = await parseTargets(context, words, targetOptions(values));
  if (targets.some((target) => target.name === undefined) && !values.all && values.selector === '')
    throw new UserError('error: resource(s) were provided, but no name was specified');
  let code = 0;
  for (const { target, object } of await resolveObjects(context, targets, { selector: values.selector })) {
    const path = podSpecPath(target);
    const wanted = await change(object, target, path);
    if (wanted === undefined) continue;
    try {
      const after = values['dry-run'] === 'client' ? object : await send(context, values, target, nested(path, wanted));
      printer.print(target, after, `${done}${drySuffix(values['dry-run'])}`);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      const text =
        error.reason === 'Invalid' ? error.message : serverError(error).replace(/^Error from server \(\w+\): /, '');
      context.complain(`error: failed to patch ${done.replace(/ updated$/, '')} update to pod template: ${text}`);
      code = 1;
    }
  }
  return code;
}

async function send(
  context: KubectlContext,
  values: TemplateValues,
  target: Target,
  body: JsonObject,
): Promise<JsonObject> {
  const { object } = await context.api.call({
    method: 'PATCH',
    path: pathOf(target.mapping, target.namespace, target.name),
    query: { fieldManager: values['field-manager'], dryRun: dryRunQuery(values['dry-run']) },
    body,
    contentType: 'application/strategic-merge-patch+json',
  });
  return object;
}

const containersFlag = text({ help: 'Names of the containers; * stands for any text.', short: 'c', fallback: '*' });

/** The flags of `set env`. */
export const envFlags = {
  ...templateFlags,
  containers: containersFlag,
  env: repeated({ help: 'A variable.', short: 'e', placeholder: 'KEY=value' }),
  from: text({ help: 'Config map or secret that the variables come from.', placeholder: 'type/name' }),
  keys: list({ help: 'Only these keys of it.', placeholder: 'key,key' }),
  list: toggle({ help: 'Show the variables.' }),
  overwrite: toggle({ help: 'Variables that are there may change.', fallback: true }),
  prefix: text({ help: 'What the names of variables begin with.', placeholder: 'text' }),
  resolve: toggle({ help: 'With --list, show the values of references.' }),
} satisfies FlagTable;

type EnvValues = FlagValues<typeof envFlags> & { readonly namespace: string };

/** Runs `set env`; resolves to its exit code. */
export async function setEnv(context: KubectlContext, values: EnvValues, args: readonly string[]): Promise<number> {
  const isVariable = (word: string): boolean => word.includes('=') || (word.endsWith('-') && !word.includes('/'));
  const words = args.filter((word) => !isVariable(word));
  if (words.length === 0 && values.filename.length === 0)
    throw new UserError('error: one or more resources must be specified as <resource> <name> or <resource>/<name>');
  const variables = [...args.filter(isVariable), ...values.env];
  const wanted = [
    ...variables.map((word) => variableOf(word, values.prefix)),
    ...(await variablesFrom(context, values)),
  ];
  if (values.list) return listEnv(context, values, words);
  if (wanted.length === 0) throw new UserError('error: at least one environment variable must be provided');
  const change: SpecChange = (object, _, path) => {
    const changed: Record<string, readonly JsonObject[]> = {};
    for (const field of ['initContainers', 'containers'] as const) {
      const found = containersOf(object, path, { field, pattern: values.containers });
      if (found.length > 0)
        changed[field] = found.map((one) => ({ name: one.name, env: envPatch(one, wanted, values) }));
    }
    return changed;
  };
  return changeTemplates(context, values, { words, change, done: 'env updated' });
}

interface Variable {
  readonly name: string;
  /** What it is to be; undefined to remove it. */
  readonly entry: JsonObject | undefined;
}

function variableOf(word: string, prefix: string): Variable {
  const equals = word.indexOf('=');
  if (equals < 0) return { name: `${prefix}${word.slice(0, -1)}`, entry: undefined };
  return { name: `${prefix}${word.slice(0, equals)}`, entry: { value: word.slice(equals + 1) } };
}

async function variablesFrom(context: KubectlContext, values: EnvValues): Promise<readonly Variable[]> {
  if (values.from === '') return [];
  const [target] = await parseTargets(context, [values.from], targetOptions({ ...values, filename: [] }));
  if (target === undefined) return [];
  const field = target.mapping.kind === 'Secret' ? 'secretKeyRef' : 'configMapKeyRef';
  const data = digMap(await getObject(context, target), 'data');
  const keys = Object.keys(data).filter((key) => values.keys.length === 0 || values.keys.includes(key));
  return keys.toSorted().map((key) => ({
    name: `${values.prefix}${key.toUpperCase().replaceAll(/[^A-Z0-9_]/g, '_')}`,
    entry: { valueFrom: { [field]: { name: target.name ?? '', key } } },
  }));
}

function envPatch(container: JsonObject, wanted: readonly Variable[], values: EnvValues): readonly JsonObject[] {
  const there = new Set(digList(container, 'env').map((one) => digText(one, 'name')));
  return wanted.map(({ name, entry }) => {
    if (entry === undefined) return { name, $patch: 'delete' };
    if (there.has(name) && !values.overwrite)
      throw new UserError(`error: '${name}' already has a value, and --overwrite is false`);
    return { name, ...entry, ...(entry.value === undefined ? {} : { valueFrom: null }) };
  });
}

async function listEnv(context: KubectlContext, values: EnvValues, words: readonly string[]): Promise<number> {
  const targets = await parseTargets(context, words, targetOptions(values));
  for (const { target, object } of await resolveObjects(context, targets, { selector: values.selector })) {
    const path = podSpecPath(target);
    for (const field of ['initContainers', 'containers'] as const) {
      for (const container of containersOf(object, path, { field, pattern: values.containers })) {
        context.print(`# ${target.mapping.kind} ${target.name}, container ${digText(container, 'name')}\n`);
        for (const entry of digList(container, 'env')) context.print(`${envLine(entry)}\n`);
      }
    }
  }
  return 0;
}

function envLine(entry: JsonObject): string {
  const name = digText(entry, 'name');
  const from = digMap(entry, 'valueFrom');
  const [map, secret, field] = [
    digMap(from, 'configMapKeyRef'),
    digMap(from, 'secretKeyRef'),
    digMap(from, 'fieldRef'),
  ];
  if (map.key !== undefined) return `# ${name} from configmap ${digText(map, 'name')}, key ${digText(map, 'key')}`;
  if (secret.key !== undefined)
    return `# ${name} from secret ${digText(secret, 'name')}, key ${digText(secret, 'key')}`;
  if (field.fieldPath !== undefined) return `# ${name} from field path ${digText(field, 'fieldPath')}`;
  return `${name}=${digText(entry, 'value')}`;
}

/** The flags of `set resources`. */
export const resourceFlags = {
  ...templateFlags,
  containers: containersFlag,
  limits: text({ help: 'Limits, as resource=amount,…', placeholder: 'resource=amount,…' }),
  requests: text({ help: 'Requests, as resource=amount,…', placeholder: 'resource=amount,…' }),
} satisfies FlagTable;

/** Runs `set resources`; resolves to its exit code. */
export function setResources(
  context: KubectlContext,
  values: FlagValues<typeof resourceFlags> & { readonly namespace: string },
  args: readonly string[],
): Promise<number> {
  const [limits, requests] = [quantities(values.limits), quantities(values.requests)];
  if (values.limits === '' && values.requests === '' && args.length > 0)
    throw new UserError('error: you must specify an update to requests or limits (in the form of --requests/--limits)');
  const resources = {
    ...(values.limits === '' ? {} : { limits }),
    ...(values.requests === '' ? {} : { requests }),
  };
  const change: SpecChange = (object, _, path) => {
    const found = containersOf(object, path, { field: 'containers', pattern: values.containers });
    if (found.length === 0) throw new UserError(`error: unable to find container named ${values.containers}`);
    return { containers: found.map((one) => ({ name: one.name, resources })) };
  };
  return changeTemplates(context, values, { words: args, change, done: 'resource requirements updated' });
}

/** Runs `set serviceaccount`; resolves to its exit code. */
export function setServiceAccount(
  context: KubectlContext,
  values: TemplateValues,
  args: readonly string[],
): Promise<number> {
  const account = args.at(-1) ?? '';
  if (account === '') throw new UserError('error: serviceaccount is required');
  const change: SpecChange = (object, _, path) =>
    dig(object, ...path, 'serviceAccountName') === account
      ? undefined
      : { serviceAccountName: account, serviceAccount: account };
  return changeTemplates(context, values, { words: args.slice(0, -1), change, done: 'serviceaccount updated' });
}
