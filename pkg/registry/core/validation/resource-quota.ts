/** Rules for resource quotas. Source: upstream `ValidateResourceQuotaSpec`, `validateResourceQuotaScopes`, `pkg/apis/core/helper`. */

import type { ResourceQuota } from '#pkg/api/types/core-v1.ts';
import { fields } from '#pkg/apimachinery/draft.ts';
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
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { listAt, objectAt, objectsAt, semanticallySame, stringAt } from '../../draft.ts';
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

function checkAmounts(into: Collector, amounts: JsonObject | undefined, path: FieldPath): void {
  for (const [name, amount] of Object.entries(amounts ?? {})) {
    const own = at(path, name);
    checkQuotaResourceName(into, name, own);
    checkAmount(into, amount, { name, path: own });
  }
}

/** What is wrong with a `ResourceQuota`. Source: upstream `ValidateResourceQuota`. */
export function validateResourceQuota(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec');
  checkAmounts(into, objectAt(spec, 'hard'), field('spec.hard'));
  checkScopes(into, spec);
  const selector = objectAt(spec, 'scopeSelector');
  if (selector !== undefined) checkSelector(into, spec!, selector);
  return into.errors;
}

/** Resources of the quota that a scope cannot limit. */
function unfitting(spec: JsonObject | undefined, scope: string): readonly string[] {
  const names = Object.keys(objectAt(spec, 'hard') ?? {}).filter(isQuotaResource);
  return names.filter((name) => scopes[scope]?.has(name) !== true);
}

function checkScopes(into: Collector, spec: JsonObject | undefined): void {
  const given = listAt(spec, 'scopes').map(String);
  const say = (detail: string): void => into.add(invalid(field('spec.scopes'), given, detail));
  for (const scope of given) {
    if (scopes[scope] === undefined) say('unsupported scope');
    for (const _ of unfitting(spec, scope)) say('unsupported scope applied to resource');
  }
  for (const pair of exclusive) if (pair.every((scope) => given.includes(scope))) say('conflicting scopes');
}

function checkSelector(into: Collector, spec: JsonObject, selector: JsonObject): void {
  const path = anyItem(field('spec.scopeSelector.matchExpressions'));
  const requirements = objectsAt(selector, 'matchExpressions');
  for (const requirement of requirements) {
    const scope = stringAt(requirement, 'scopeName');
    const operator = stringAt(requirement, 'operator');
    const values = listAt(requirement, 'values');
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
  const named = requirements.map((requirement) => stringAt(requirement, 'scopeName'));
  for (const pair of exclusive) {
    if (!pair.every((scope) => named.includes(scope))) continue;
    into.add(invalid(path, listAt(spec, 'scopes'), 'conflicting scopes'));
  }
}

const flagDetail =
  "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";

/** What is wrong with a change of a quota: its scopes stay. Source: upstream `ValidateResourceQuotaUpdate`. */
export function validateResourceQuotaUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const sorted = (object: JsonObject | KubeObject): readonly string[] =>
    listAt(object, 'spec', 'scopes').map(String).sort();
  if (semanticallySame(sorted(draft), sorted(old))) return [];
  return [invalid(field('spec.scopes'), listAt(draft, 'spec', 'scopes'), 'field is immutable')];
}

/** What is wrong with what the controller reports of a quota. Source: upstream `ValidateResourceQuotaStatusUpdate`. */
export function validateResourceQuotaStatus(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  for (const name of fields('hard', 'used'))
    checkAmounts(into, objectAt(draft, 'status', name), child(field('status'), name));
  return into.errors;
}
