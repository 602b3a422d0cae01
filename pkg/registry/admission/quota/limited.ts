/**
 * What may be used only where a quota covers it, as the configuration of the plugin says. Pure.
 * Source: apiserver `admission/plugin/resourcequota/apis/resourcequota`, `CheckRequest`.
 */
import type { Amounts } from '#pkg/api/quota/amounts.ts';
import { type Evaluator, type GroupResource, isQuotaOf } from '#pkg/api/quota/evaluator.ts';
import { scopesOf } from '#pkg/api/quota/scopes.ts';
import type { ResourceQuota, ScopedResourceSelectorRequirement } from '#pkg/api/types/core-v1.ts';
import { at, child, pathsOf, required } from '#pkg/apimachinery/field-error.ts';
import { refuseConfig } from '../../remote/config-errors.ts';
import { type ConfigKind, checkedConfig } from '../../remote/config-shape.ts';

/** One limit by default. */
export interface LimitedResource {
  /** Default: the core group. */
  readonly apiGroup?: string;
  readonly resource?: string;
  /** Parts of names of amounts. */
  readonly matchContains?: readonly string[];
  readonly matchScopes?: readonly ScopedResourceSelectorRequirement[];
}

interface Configuration {
  readonly limitedResources?: readonly LimitedResource[];
}

const texts = { list: 'string' } as const;
const fields = {
  limitedResources: {
    list: {
      fields: {
        apiGroup: 'string',
        resource: 'string',
        matchContains: texts,
        matchScopes: { list: { fields: { scopeName: 'string', operator: 'string', values: texts } } },
      },
    },
  },
} as const;
const kinds: readonly ConfigKind[] = [
  { kind: 'ResourceQuotaConfiguration', versions: ['v1'], fields },
  { kind: 'Configuration', group: 'resourcequota.admission.k8s.io', versions: ['v1beta1', 'v1alpha1'], fields },
];

const field = pathsOf<Configuration>();

/** Reads the configuration. Throws an `Error` that says in one line all that is wrong. */
export function readLimitedResources(value: unknown): readonly LimitedResource[] {
  const { limitedResources = [] }: Configuration = checkedConfig(value, ...kinds);
  const root = field('limitedResources');
  refuseConfig(
    limitedResources.flatMap(({ resource = '' }, index) =>
      resource === '' ? [required(child(at(root, index), 'resource'))] : [],
    ),
  );
  return limitedResources;
}

/** What no quota covers. */
interface Uncovered {
  readonly kind: 'resources' | 'scopes';
  readonly what: string;
}

/** What an object that takes `usage` takes without a quota that covers it, of what is limited; undefined where there is nothing. */
export function uncovered(
  limited: readonly LimitedResource[],
  quotas: readonly ResourceQuota[],
  {
    evaluator,
    object,
    subject,
  }: { readonly evaluator: Evaluator; readonly object: object; readonly subject: GroupResource },
  usage: Amounts,
): Uncovered | undefined {
  const ofThese = limited.filter(
    ({ apiGroup = '', resource }) => apiGroup === subject.group && resource === subject.resource,
  );
  const parts = ofThese.flatMap(({ matchContains = [] }) => matchContains);
  const covered = new Set(
    quotas
      .filter((quota) => isQuotaOf(evaluator, quota, object))
      .flatMap(({ status }) => Object.keys(status?.hard ?? {})),
  );
  const names = [...usage]
    .filter(([name, { nano }]) => nano > 0n && parts.some((part) => name.includes(part)) && !covered.has(name))
    .map(([name]) => name);
  if (names.length > 0) return { kind: 'resources', what: names.sort().join(',') };
  const isMet = (requirement: ScopedResourceSelectorRequirement): boolean =>
    evaluator.isInScope?.(object, requirement) === true;
  const scopes = new Set(
    quotas
      .flatMap(scopesOf)
      .filter(isMet)
      .map(({ scopeName }) => scopeName),
  );
  const open = limited
    .flatMap(({ matchScopes = [] }) => matchScopes)
    .filter((requirement) => isMet(requirement) && !scopes.has(requirement.scopeName));
  if (open.length === 0) return undefined;
  const shown = open.map(({ scopeName, operator, values = [] }) => `{${scopeName} ${operator} [${values.join(' ')}]}`);
  return { kind: 'scopes', what: `[${shown.join(' ')}]` };
}
