/**
 * `auth reconcile`: roles and bindings of files are made, or what theirs lack is added. Nothing is taken away unless a flag says so.
 * Source: kubectl `cmd/auth/reconcile.go`, component-helpers `auth/rbac/reconciliation`.
 */
import { deepEqual } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type FlagTable, type FlagValues, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { dig, digList, digTexts } from './api.ts';
import { dryRunFlag, fileFlags, type KubectlContext, printFlags } from './context.ts';
import { pathOf } from './discovery.ts';
import { lookUp, withNamespace } from './live-object.ts';
import { checkDryRun, dryRunQuery, drySuffix, ResultPrinter } from './printing.ts';
import { parseTargets, type Target, targetOptions } from './targets.ts';

/** The flags of the command. */
export const reconcileFlags = {
  ...fileFlags,
  ...printFlags,
  'dry-run': dryRunFlag,
  'remove-extra-permissions': toggle({ help: 'Rules that the files do not have are taken out.' }),
  'remove-extra-subjects': toggle({ help: 'Subjects that the files do not have are taken out.' }),
} satisfies FlagTable;

type Values = FlagValues<typeof reconcileFlags> & { readonly namespace: string };

const kinds = ['ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding'];

/** Runs the command; resolves to its exit code. */
export async function reconcile(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  if (args.length > 0) throw new UserError('error: no arguments accepted');
  checkDryRun(values['dry-run']);
  const printer = new ResultPrinter(context, values);
  for (const target of await parseTargets(context, [], targetOptions(values))) {
    if (target.mapping.group !== 'rbac.authorization.k8s.io' || !kinds.includes(target.mapping.kind)) continue;
    const object = await reconcileOne(context, values, target);
    printer.print(target, object, `reconciled${drySuffix(values['dry-run'])}`);
  }
  return 0;
}

async function reconcileOne(context: KubectlContext, values: Values, target: Target): Promise<JsonObject> {
  const path = pathOf(target.mapping, target.namespace, target.name);
  const wanted = withNamespace(target.document ?? {}, target);
  const live = await lookUp(context, path);
  const query = { dryRun: dryRunQuery(values['dry-run']) };
  const isDry = values['dry-run'] === 'client';
  if (live === undefined) {
    if (isDry) return wanted;
    return (
      await context.api.call({ method: 'POST', path: pathOf(target.mapping, target.namespace), query, body: wanted })
    ).object;
  }
  const isBinding = target.mapping.kind.endsWith('Binding');
  if (isBinding && !deepEqual(dig(live, 'roleRef'), dig(wanted, 'roleRef'))) {
    // What a binding binds cannot be changed.
    if (isDry) return wanted;
    await context.api.call({ method: 'DELETE', path, query });
    return (
      await context.api.call({ method: 'POST', path: pathOf(target.mapping, target.namespace), query, body: wanted })
    ).object;
  }
  const merged = isBinding ? withSubjects(live, wanted, values) : withRules(live, wanted, values);
  if (deepEqual(merged, live) || isDry) return merged;
  return (await context.api.call({ method: 'PUT', path, query, body: merged })).object;
}

function withSubjects(live: JsonObject, wanted: JsonObject, values: Values): JsonObject {
  const [there, named] = [digList(live, 'subjects'), digList(wanted, 'subjects').map(completed)];
  const missing = named.filter((one) => !there.some((other) => deepEqual(completed(other), one)));
  const kept = values['remove-extra-subjects']
    ? there.filter((one) => named.some((other) => deepEqual(other, completed(one))))
    : there;
  if (missing.length === 0 && kept.length === there.length) return live;
  return { ...live, subjects: [...kept, ...missing] };
}

/** A subject as the server completes it. */
function completed(subject: JsonObject): JsonObject {
  if (subject.kind === 'ServiceAccount' || subject.apiGroup !== undefined) return subject;
  return { ...subject, apiGroup: 'rbac.authorization.k8s.io' };
}

function withRules(live: JsonObject, wanted: JsonObject, values: Values): JsonObject {
  const [there, named] = [digList(live, 'rules'), digList(wanted, 'rules')];
  const missing = named.filter((rule) => !there.some((other) => covers(other, rule)));
  const kept = values['remove-extra-permissions']
    ? there.filter((rule) => named.some((other) => covers(other, rule)))
    : there;
  if (missing.length === 0 && kept.length === there.length) return live;
  return { ...live, rules: [...kept, ...missing] };
}

/** Whether a rule allows all that another does. */
function covers(rule: JsonObject, other: JsonObject): boolean {
  const has = (field: string): boolean => {
    const [own, theirs] = [digTexts(rule, field), digTexts(other, field)];
    return own.includes('*') || theirs.every((one) => own.includes(one));
  };
  const names = digTexts(rule, 'resourceNames');
  const coversNames = names.length === 0 || (digTexts(other, 'resourceNames').length > 0 && has('resourceNames'));
  return coversNames && ['apiGroups', 'resources', 'verbs', 'nonResourceURLs'].every(has);
}
