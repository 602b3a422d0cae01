/** Rules for resource quotas. Source: upstream `ValidateResourceQuotaSpec`, `validateResourceQuotaScopes`, `pkg/apis/core/helper`. */

import type { ResourceQuota, ResourceQuotaSpec, ScopeSelector } from '#pkg/api/types/core-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import {
  anyItem,
  at,
  child,
  type FieldError,
  type FieldPath,
  invalid,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { semanticallySame } from '../../draft.ts';
import { Collector } from '../../validation/collector.ts';
import { checkAmount, checkQuotaResourceName, isQuotaResource } from './resources.ts';

const field = pathsOf<ResourceQuota>();

const podResources: ReadonlySet<string> = new Set([
  'pods',
  ...['cpu', 'memory'].flatMap((name) => [name, `limits.${name}`, `requests.${name}`]),
]);
const claimResources: ReadonlySet<string> = new Set(['persistentvolumeclaims', 'requests.storage']);

/** What a quota of each scope can limit. */
const scopes: Readonly<Record<string, ReadonlySet<string>>> = {
  BestEffort: new Set(['pods']),
  CrossNamespacePodAffinity: podResources,
  NotBestEffort: podResources,
  NotTerminating: podResources,
  PriorityClass: podResources,
  Terminating: podResources,
  VolumeAttributesClass: claimResources,
};
const exclusive = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
];

/** Scopes that a pod is in or is not, without values. */
const flagScopes = ['BestEffort', 'NotBestEffort', 'Terminating', 'NotTerminating', 'CrossNamespacePodAffinity'];

type Amounts = Readonly<Record<string, string>>;

function checkAmounts(into: Collector, amounts: Amounts | null | undefined, path: FieldPath<Amounts>): void {
  for (const [name, amount] of Object.entries(amounts ?? {})) {
    const own = at(path, name);
    checkQuotaResourceName(into, name, own);
    checkAmount(into, amount, { name, path: own });
  }
}

/** What is wrong with a `ResourceQuota`. Source: upstream `ValidateResourceQuota`. */
export function validateResourceQuota({ spec = {} }: Given<ResourceQuota>): readonly FieldError[] {
  const into = new Collector();
  checkAmounts(into, spec.hard, field('spec.hard'));
  checkScopes(into, spec);
  const selector = spec.scopeSelector;
  if (selector) checkSelector(into, spec, selector);
  return into.errors;
}

/** Resources of the quota that a scope cannot limit. */
function unfitting(spec: Given<ResourceQuotaSpec>, scope: string): readonly string[] {
  const names = Object.keys(spec.hard ?? {}).filter(isQuotaResource);
  return names.filter((name) => scopes[scope]?.has(name) !== true);
}

function checkScopes(into: Collector, spec: Given<ResourceQuotaSpec>): void {
  const given = spec.scopes ?? [];
  const say = (detail: string): void => into.add(invalid(field('spec.scopes'), given, detail));
  for (const scope of given) {
    if (scopes[scope] === undefined) say('unsupported scope');
    for (const _ of unfitting(spec, scope)) say('unsupported scope applied to resource');
  }
  for (const pair of exclusive) if (pair.every((scope) => given.includes(scope))) say('conflicting scopes');
}

function checkSelector(into: Collector, spec: Given<ResourceQuotaSpec>, selector: Given<ScopeSelector>): void {
  const path = anyItem(field('spec.scopeSelector.matchExpressions'));
  const requirements = selector.matchExpressions ?? [];
  for (const requirement of requirements) {
    const scope = requirement.scopeName ?? '';
    const operator = requirement.operator ?? '';
    const values = requirement.values ?? [];
    if (scopes[scope] === undefined) into.add(invalid(child(path, 'scopeName'), scope, 'unsupported scope'));
    for (const _ of unfitting(spec, scope)) into.add(invalid(path, selector, 'unsupported scope applied to resource'));
    if (flagScopes.includes(scope) && operator !== 'Exists') {
      into.add(invalid(child(path, 'operator'), operator, flagDetail));
    }
    if (operator === 'In' || operator === 'NotIn') {
      const detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
      if (values.length === 0) into.add(required(child(path, 'values'), detail));
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      const detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
      if (values.length > 0) into.add(invalid(child(path, 'values'), values, detail));
    } else into.add(invalid(child(path, 'operator'), operator, 'not a valid selector operator'));
  }
  const named = requirements.map((requirement) => requirement.scopeName ?? '');
  for (const pair of exclusive) {
    if (!pair.every((scope) => named.includes(scope))) continue;
    into.add(invalid(path, spec.scopes ?? [], 'conflicting scopes'));
  }
}

const flagDetail =
  "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";

/** What is wrong with a change of a quota: its scopes stay. Source: upstream `ValidateResourceQuotaUpdate`. */
export function validateResourceQuotaUpdate(
  draft: Given<ResourceQuota>,
  old: Given<ResourceQuota>,
): readonly FieldError[] {
  const sorted = ({ spec }: Given<ResourceQuota>): readonly string[] => (spec?.scopes ?? []).toSorted();
  if (semanticallySame(sorted(draft), sorted(old))) return [];
  return [invalid(field('spec.scopes'), draft.spec?.scopes ?? [], 'field is immutable')];
}

/** What is wrong with what the controller reports of a quota. Source: upstream `ValidateResourceQuotaStatusUpdate`. */
export function validateResourceQuotaStatus(draft: Given<ResourceQuota>): readonly FieldError[] {
  const into = new Collector();
  for (const name of fields('hard', 'used')) checkAmounts(into, draft.status?.[name], child(field('status'), name));
  return into.errors;
}
