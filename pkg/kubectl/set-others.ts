/** `set selector` and `set subject`. Source: kubectl `cmd/set/set_selector.go`, `set_subject.go`. */
import { deepEqual } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type FlagTable, type FlagValues, list, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList } from './api.ts';
import { dryRunFlag, fileFlags, type KubectlContext, managerFlag, printFlags, selectorFlag } from './context.ts';
import { pathOf } from './discovery.ts';
import { labelsOf } from './pairs.ts';
import { checkDryRun, dryRunQuery, drySuffix, ResultPrinter } from './printing.ts';
import { parseTargets, resolveObjects, type Target, targetOptions } from './targets.ts';

const shared = {
  ...fileFlags,
  ...printFlags,
  all: toggle({ help: 'All objects of the resource in the namespace.' }),
  'dry-run': dryRunFlag,
  'field-manager': managerFlag('kubectl-set'),
} satisfies FlagTable;

/** The flags of `set selector`. */
export const selectorFlags = {
  ...shared,
  'resource-version': text({ help: 'Only when the object has this version.', placeholder: 'version' }),
} satisfies FlagTable;

/** The flags of `set subject`. */
export const subjectFlags = {
  ...shared,
  group: list({ help: 'Groups to add.', placeholder: 'name' }),
  selector: selectorFlag,
  serviceaccount: list({ help: 'Service accounts to add, as namespace:name.', placeholder: 'namespace:name' }),
  user: list({ help: 'Users to add.', placeholder: 'name' }),
} satisfies FlagTable;

type SharedValues = FlagValues<typeof shared> & { readonly namespace: string };

/** Runs `set selector`; resolves to its exit code. */
export async function setSelector(
  context: KubectlContext,
  values: FlagValues<typeof selectorFlags> & { readonly namespace: string },
  args: readonly string[],
): Promise<number> {
  const expression = args.at(-1) ?? '';
  if (!expression.includes('=')) throw new UserError('error: one selector is required');
  const version = values['resource-version'];
  return change(context, values, {
    words: args.slice(0, -1),
    done: 'selector updated',
    patch: ({ mapping }) => {
      if (mapping.kind !== 'Service') throw new UserError(`error: setting a selector is only supported for Services`);
      const metadata = version === '' ? {} : { metadata: { resourceVersion: version } };
      return { ...metadata, spec: { selector: { $patch: 'replace', ...labelsOf(expression) } } };
    },
  });
}

/** Runs `set subject`; resolves to its exit code. */
export async function setSubject(
  context: KubectlContext,
  values: FlagValues<typeof subjectFlags> & { readonly namespace: string },
  args: readonly string[],
): Promise<number> {
  const apiGroup = 'rbac.authorization.k8s.io';
  const accounts = values.serviceaccount.map((word) => {
    const [namespace = '', name = ''] = word.split(':');
    if (namespace === '' || name === '') throw new UserError('error: serviceaccount must be <namespace>:<name>');
    return { kind: 'ServiceAccount', name, namespace };
  });
  const wanted = [
    ...values.user.map((name) => ({ apiGroup, kind: 'User', name })),
    ...values.group.map((name) => ({ apiGroup, kind: 'Group', name })),
    ...accounts,
  ];
  if (wanted.length === 0 && args.length > 0)
    throw new UserError('error: you must specify at least one value of user, group or serviceaccount');
  return change(context, values, {
    words: args,
    done: 'subjects updated',
    patch: ({ mapping }, object) => {
      if (!mapping.kind.endsWith('RoleBinding'))
        throw new UserError('error: setting subjects is only supported for RoleBinding/ClusterRoleBinding');
      const there = digList(object, 'subjects');
      const missing = wanted.filter((one) => !there.some((other) => deepEqual(other, one)));
      return { subjects: [...there, ...missing] };
    },
  });
}

interface Change {
  readonly words: readonly string[];
  readonly done: string;
  patch(target: Target, object: JsonObject): JsonObject;
}

async function change(context: KubectlContext, values: SharedValues, wish: Change): Promise<number> {
  const printer = new ResultPrinter(context, values);
  checkDryRun(values['dry-run']);
  const targets = await parseTargets(context, wish.words, targetOptions(values));
  for (const { target, object } of await resolveObjects(context, targets, {})) {
    const body = wish.patch(target, object);
    const isDry = values['dry-run'] === 'client';
    const after = isDry
      ? object
      : (
          await context.api.call({
            method: 'PATCH',
            path: pathOf(target.mapping, target.namespace, target.name),
            query: { fieldManager: values['field-manager'], dryRun: dryRunQuery(values['dry-run']) },
            body,
            contentType: 'application/strategic-merge-patch+json',
          })
        ).object;
    printer.print(target, after, `${wish.done}${drySuffix(values['dry-run'])}`);
  }
  return 0;
}
