/** `create quota`, `poddisruptionbudget`, `priorityclass`, `namespace` and `serviceaccount`. Source: kubectl `cmd/create/create_*.go`. */

import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { canonicalQuantity, quantityError } from '#pkg/apimachinery/quantity.ts';
import { type FlagTable, type FlagValues, integer, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { generatorCommand } from './generator.ts';
import { intOrString, labelsOf, pairsOf } from './pairs.ts';
import type { Commands } from './subcommand.ts';

const budgetFlags = {
  'max-unavailable': text({ help: 'Most pods that may be away, as a number or percentage.', placeholder: 'count' }),
  'min-available': text({ help: 'Fewest pods that must be there, as a number or percentage.', placeholder: 'count' }),
  selector: text({ help: 'Labels of the pods.', placeholder: 'selector' }),
} satisfies FlagTable;

const priorityFlags = {
  value: integer({ help: 'The priority.', fallback: 0, min: Number.MIN_SAFE_INTEGER }),
  'global-default': toggle({ help: 'Pods that name no class have it.' }),
  description: text({ help: 'What it is for.' }),
  'preemption-policy': text({ help: 'Whether it may take the place of others.', fallback: 'PreemptLowerPriority' }),
} satisfies FlagTable;

const quotaFlags = {
  hard: text({ help: 'The limits, as resource=quantity,…', placeholder: 'resource=quantity,…' }),
  scopes: text({ help: 'What it counts.', placeholder: 'scope,scope' }),
} satisfies FlagTable;

/** The generators of what limits and names others. */
export const policyGenerators: Commands = {
  namespace: generatorCommand<object>({
    summary: 'Create a namespace.',
    usage: 'namespace NAME',
    resource: 'namespaces',
    aliases: ['ns'],
    flags: {},
    build: (_, { name }) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name }, spec: {}, status: {} }),
  }),
  poddisruptionbudget: generatorCommand<FlagValues<typeof budgetFlags>>({
    summary: 'Create a pod disruption budget.',
    usage: 'poddisruptionbudget NAME --selector=SELECTOR --min-available=N',
    resource: 'poddisruptionbudgets.policy',
    failure: 'poddisruptionbudgets:',
    aliases: ['pdb'],
    flags: budgetFlags,
    build: (values, { name }) => budget(name, values),
  }),
  priorityclass: generatorCommand<FlagValues<typeof priorityFlags>>({
    summary: 'Create a priority class.',
    usage: 'priorityclass NAME --value=VALUE',
    resource: 'priorityclasses.scheduling.k8s.io',
    failure: 'priorityclass:',
    aliases: ['pc'],
    flags: priorityFlags,
    build: (values, { name }) => ({
      apiVersion: 'scheduling.k8s.io/v1',
      ...(values.description === '' ? {} : { description: values.description }),
      ...(values['global-default'] ? { globalDefault: true } : {}),
      kind: 'PriorityClass',
      metadata: { name },
      preemptionPolicy: values['preemption-policy'],
      value: values.value,
    }),
  }),
  quota: generatorCommand<FlagValues<typeof quotaFlags>>({
    summary: 'Create a quota.',
    usage: 'quota NAME --hard=RESOURCE=QUANTITY',
    resource: 'resourcequotas',
    failure: 'quota:',
    aliases: ['resourcequota'],
    flags: quotaFlags,
    build: (values, { name }) => quota(name, values),
  }),
  serviceaccount: generatorCommand<object>({
    summary: 'Create a service account.',
    usage: 'serviceaccount NAME',
    resource: 'serviceaccounts',
    failure: 'serviceaccount:',
    aliases: ['sa'],
    flags: {},
    build: (_, { name }) => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } }),
  }),
};

function budget(name: string, values: FlagValues<typeof budgetFlags>): JsonObject {
  const [most, fewest] = [values['max-unavailable'], values['min-available']];
  if (values.selector === '') throw new UserError('error: a selector must be specified');
  if (most === '' && fewest === '')
    throw new UserError('error: one of min-available or max-unavailable must be specified');
  if (most !== '' && fewest !== '')
    throw new UserError('error: min-available and max-unavailable cannot be both specified');
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name },
    spec: {
      ...(most === '' ? {} : { maxUnavailable: intOrString(most) }),
      ...(fewest === '' ? {} : { minAvailable: intOrString(fewest) }),
      selector: { matchLabels: labelsOf(values.selector) },
    },
    status: { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 },
  };
}

function quota(name: string, values: FlagValues<typeof quotaFlags>): JsonObject {
  const hard = quantities(values.hard);
  const scopes = values.scopes === '' ? [] : values.scopes.split(',');
  return {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name },
    spec: { ...(values.hard === '' ? {} : { hard }), ...(scopes.length === 0 ? {} : { scopes }) },
    status: {},
  };
}

/** Amounts of resources, such as `cpu=1,memory=1Gi`. Throws `UserError` for what is no amount. */
export function quantities(text: string): Readonly<Record<string, string>> {
  if (text === '') return {};
  return Object.fromEntries(
    pairsOf(text.split(',')).map(([resource, amount]) => {
      const quantity = canonicalQuantity(amount);
      if (quantity === undefined) throw new UserError(`error: ${quantityError(amount)}`);
      return [resource, quantity];
    }),
  );
}
