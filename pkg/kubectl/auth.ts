/** `auth whoami` and `auth can-i`: who one is, and what one may do. Source: kubectl `cmd/auth/whoami.go`, `cani.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type FlagTable, type FlagValues, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { dig, digList, digMap, digText, digTexts } from './api.ts';
import { reconcile, reconcileFlags } from './auth-reconcile.ts';
import { allNamespacesFlag, type KubectlContext, printFlags } from './context.ts';
import { UsageError } from './errors.ts';
import { ResultPrinter } from './printing.ts';
import { group } from './subcommand.ts';
import { TableLayout } from './tables.ts';

const canFlags = {
  'all-namespaces': allNamespacesFlag,
  list: toggle({ help: 'All that one may do.' }),
  'no-headers': toggle({ help: 'Leave out the line of headers.' }),
  quiet: toggle({ help: 'Only the exit code says it.', short: 'q' }),
  subresource: text({ help: 'Subresource, such as log.', placeholder: 'name' }),
} satisfies FlagTable;

/** The command and those within it. */
export const authCommand = group('auth', 'Inspect authorization.', {
  'can-i': { summary: 'Check whether an action is allowed.', usage: 'can-i VERB TYPE', flags: canFlags, run: canI },
  reconcile: {
    summary: 'Make roles and bindings as the files say, without taking rights away.',
    usage: 'reconcile -f FILE',
    flags: reconcileFlags,
    run: reconcile,
  },
  whoami: { summary: 'Show who one is to the server.', usage: 'whoami', flags: printFlags, run: whoami },
});

async function whoami(context: KubectlContext, values: FlagValues<typeof printFlags>): Promise<number> {
  const printer = new ResultPrinter(context, values);
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const { object } = await context.api.call({ method: 'POST', path, body });
  if (values.output !== '') {
    const { metadata: _, ...rest } = object;
    const [mapping] = await context.discovery.resolve('selfsubjectreviews.authentication.k8s.io');
    printer.print({ mapping }, { ...rest, metadata: {} }, '');
    return 0;
  }
  const user = digMap(object, 'status', 'userInfo');
  const rows = [['ATTRIBUTE', 'VALUE']];
  if (digText(user, 'username') !== '') rows.push(['Username', digText(user, 'username')]);
  if (digText(user, 'uid') !== '') rows.push(['UID', digText(user, 'uid')]);
  const groups = digTexts(user, 'groups');
  if (groups.length > 0) rows.push(['Groups', `[${groups.join(' ')}]`]);
  const extra = digMap(user, 'extra');
  for (const key of Object.keys(extra).sort()) rows.push([`Extra: ${key}`, `[${digTexts(extra, key).join(' ')}]`]);
  context.print(new TableLayout().render(rows));
  return 0;
}

type CanValues = FlagValues<typeof canFlags> & { readonly namespace: string };

async function canI(context: KubectlContext, values: CanValues, args: readonly string[]): Promise<number> {
  if (values.list) {
    if (args.length > 0) throw new UserError('error: list option must be specified with no arguments');
    return listRights(context, values);
  }
  const [verb = '', what = '', name = ''] = args;
  if (args.length < 2 || args.length > 3) {
    throw new UsageError('error: you must specify two arguments: verb resource or verb resource/resourceName.');
  }
  const spec = what.startsWith('/')
    ? { nonResourceAttributes: { path: what, verb } }
    : { resourceAttributes: await attributesOf(context, values, { verb, what, name }) };
  const { object } = await context.api.call({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec },
  });
  const isAllowed = dig(object, 'status', 'allowed') === true;
  if (!values.quiet) {
    const reason = digText(object, 'status', 'reason');
    const fault = digText(object, 'status', 'evaluationError');
    const why = isAllowed ? '' : `${reason === '' ? '' : ` - ${reason}`}${fault === '' ? '' : ` - ${fault}`}`;
    context.print(`${isAllowed ? 'yes' : 'no'}${why}\n`);
  }
  return isAllowed ? 0 : 1;
}

async function attributesOf(
  context: KubectlContext,
  values: CanValues,
  { verb, what, name }: { readonly verb: string; readonly what: string; readonly name: string },
): Promise<JsonObject> {
  const [word = '', inner = ''] = what.split('/');
  const objectName = name || inner;
  const namespace = values['all-namespaces'] ? '' : values.namespace || context.api.namespace;
  const { mapping, known } = await resourceOf(context, word);
  const isClusterWide = known && !mapping.namespaced;
  if (isClusterWide && values.namespace !== '' && !values['all-namespaces'])
    context.complain(
      `Warning: resource '${mapping.resource}' is not namespace scoped${mapping.group === '' ? '' : ` in group '${mapping.group}'`}\n`,
    );
  return {
    verb,
    group: mapping.group,
    resource: mapping.resource,
    ...(values.subresource === '' ? {} : { subresource: values.subresource }),
    ...(objectName === '' ? {} : { name: objectName }),
    namespace,
  };
}

async function resourceOf(context: KubectlContext, word: string) {
  if (word === '*') return { mapping: { group: '*', resource: '*', namespaced: true }, known: true };
  try {
    const [mapping] = await context.discovery.resolve(word);
    return { mapping, known: true };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const [resource = '', ...rest] = word.split('.');
    const named = rest.length === 0 ? '' : ` in group '${rest.join('.')}'`;
    context.complain(`Warning: the server doesn't have a resource type '${resource}'${named}\n`);
    return { mapping: { group: rest.join('.'), resource, namespaced: true }, known: false };
  }
}

async function listRights(context: KubectlContext, values: CanValues): Promise<number> {
  const namespace = values.namespace || context.api.namespace;
  const { object } = await context.api.call({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews',
    body: { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace } },
  });
  if (dig(object, 'status', 'incomplete') === true && digText(object, 'status', 'evaluationError') !== '')
    context.complain(`warning: the list may be incomplete: ${digText(object, 'status', 'evaluationError')}`);
  const rules = [...resourceRows(object), ...pathRows(object)];
  const rows = rules
    .toSorted((a, b) => compareRows(a, b))
    .map((rule) => [
      rule.group === '' ? rule.resource : `${rule.resource}.${rule.group}`,
      `[${rule.path}]`,
      `[${rule.names.join(' ')}]`,
      `[${rule.verbs.join(' ')}]`,
    ]);
  const headers = ['Resources', 'Non-Resource URLs', 'Resource Names', 'Verbs'];
  context.print(new TableLayout().render(values['no-headers'] ? rows : [headers, ...rows]));
  return 0;
}

interface RightsRow {
  readonly group: string;
  readonly resource: string;
  readonly path: string;
  readonly names: readonly string[];
  readonly verbs: readonly string[];
}

/** One row for each resource of a rule, equal ones together. */
function resourceRows(object: JsonObject): readonly RightsRow[] {
  const rows = new Map<string, RightsRow>();
  for (const rule of digList(object, 'status', 'resourceRules')) {
    const names = digTexts(rule, 'resourceNames');
    for (const apiGroup of digTexts(rule, 'apiGroups')) {
      for (const resource of digTexts(rule, 'resources')) {
        const key = JSON.stringify([apiGroup, resource, names]);
        const verbs = [...(rows.get(key)?.verbs ?? []), ...digTexts(rule, 'verbs')];
        rows.set(key, { group: apiGroup, resource, path: '', names, verbs: [...new Set(verbs)] });
      }
    }
  }
  return [...rows.values()];
}

function pathRows(object: JsonObject): readonly RightsRow[] {
  return digList(object, 'status', 'nonResourceRules').flatMap((rule) =>
    digTexts(rule, 'nonResourceURLs').map((path) => ({
      group: '',
      resource: '',
      path,
      names: [],
      verbs: digTexts(rule, 'verbs'),
    })),
  );
}

/** In the order of the rules as Go writes them. Source: component-helpers `rbac/v1` `SortableRuleSlice`. */
function compareRows(a: RightsRow, b: RightsRow): number {
  const key = ({ group: apiGroup, resource, path, names, verbs }: RightsRow): string =>
    `[${verbs.join(' ')}],[${apiGroup}],[${resource}],[${names.join(' ')}],[${path}]`;
  const [left, right] = [key(a), key(b)];
  return left === right ? 0 : left < right ? -1 : 1;
}
