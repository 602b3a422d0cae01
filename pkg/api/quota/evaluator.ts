/**
 * What objects count for in quotas: one evaluator per kind that counts for more than itself, and one for all others, custom ones too. Pure.
 * Adding one is an entry of the table below. Upstream counterpart: `pkg/quota/v1/evaluator/core`, apiserver `quota/v1/generic`.
 */

import { doubleOf } from '#pkg/apimachinery/json.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { type Quantity, quantityOf, zeroQuantity } from '#pkg/apimachinery/quantity.ts';
import { isPodTerminal } from '../core/pod.ts';
import { isExtendedResource, isNativeResource } from '../core/resource-names.ts';
import type {
  PersistentVolumeClaim,
  Pod,
  ResourceQuota,
  ScopedResourceSelectorRequirement,
  Service,
} from '../types/core-v1.ts';
import { persistentVolumeClaims, pods, resourceClaims, services } from '../types/refs.ts';
import type { ResourceClaim } from '../types/resource-v1.ts';
import { type Amounts, amountsOf } from './amounts.ts';
import { hasPodLevelAmounts, podAmounts } from './pod-amounts.ts';
import { isClaimInScope, isPodInScope, scopesOf } from './scopes.ts';

/** A resource without its version. */
export interface GroupResource {
  readonly group: string;
  readonly resource: string;
}

/** A write that may change what an object counts for. */
export interface QuotaChange {
  readonly operation: string;
  readonly subresource: string;
}

/** What objects of one resource count for. `T` is their type; `object` where it is not known here. */
export interface Evaluator<T = object> {
  /** Whether a limit of that name is one of such objects. */
  counts(name: string): boolean;
  /** What an object takes now. */
  usage(object: T, nowMs: number): Amounts;
  /** Whether a write may make an object take more. */
  handles(change: QuotaChange): boolean;
  /** Absent: the objects are in no scope. */
  isInScope?(object: T, requirement: ScopedResourceSelectorRequirement): boolean;
  /** What an object has to say where limits of these names are set and does not; `''` when nothing is missing. */
  missing?(object: T, names: readonly string[]): string;
}

/** Resources that no quota counts. Source: upstream `pkg/quota/v1/install` `ignoredResources`. */
const ignored: ReadonlySet<string> = new Set([
  'bindings',
  'componentstatuses',
  'tokenreviews.authentication.k8s.io',
  'selfsubjectreviews.authentication.k8s.io',
  'subjectaccessreviews.authorization.k8s.io',
  'selfsubjectaccessreviews.authorization.k8s.io',
  'localsubjectaccessreviews.authorization.k8s.io',
  'selfsubjectrulesreviews.authorization.k8s.io',
  'events',
  'events.events.k8s.io',
]);

/** Kinds that could be limited before every kind could, by their names alone. */
export const oldCountNames: ReadonlySet<string> = new Set([
  'configmaps',
  'resourcequotas',
  'replicationcontrollers',
  'secrets',
]);

const one = quantityOf(1);

/** The name without its version, such as `deployments.apps`. */
export function quotaResourceName({ group, resource }: GroupResource): string {
  return group === '' ? resource : `${resource}.${group}`;
}

/** The evaluator of a resource; undefined for one that is never counted. */
export function evaluatorOf(subject: GroupResource): Evaluator | undefined {
  const name = quotaResourceName(subject);
  if (ignored.has(name)) return undefined;
  return special.get(name) ?? countOf(name);
}

/** Resources that count for more than `count/…` and have evaluators of their own. */
export function specialResources(): readonly ResourceRef[] {
  return [pods, services, persistentVolumeClaims, resourceClaims];
}

/** Whether the quota is about the object: it limits something of its kind, and the object is in all of its scopes. */
export function isQuotaOf(evaluator: Evaluator, quota: ResourceQuota, object: object): boolean {
  return (
    Object.keys(quota.status?.hard ?? {}).some((name) => evaluator.counts(name)) && isInScopes(evaluator, quota, object)
  );
}

/** Whether the object is in all scopes of the quota. */
export function isInScopes(evaluator: Evaluator, quota: ResourceQuota, object: object): boolean {
  return scopesOf(quota).every((requirement) => evaluator.isInScope?.(object, requirement) === true);
}

/** Each object counts for one. */
function countOf(name: string): Evaluator {
  const names = oldCountNames.has(name) ? [name, `count/${name}`] : [`count/${name}`];
  const usage = new Map(names.map((own) => [own, one]));
  return {
    counts: (limit) => usage.has(limit),
    usage: () => usage,
    handles: ({ operation, subresource }) => operation === 'CREATE' && subresource === '',
  };
}

function isWrite(operation: string): boolean {
  return operation === 'CREATE' || operation === 'UPDATE';
}

/** Forgets the type: whoever has the evaluator of a resource gives it objects of that. */
function evaluates<T extends KubeObject>(ref: ResourceRef<T>, evaluator: Evaluator<T>): [string, Evaluator];
function evaluates(ref: ResourceRef, evaluator: Evaluator): [string, Evaluator] {
  return [quotaResourceName(ref), evaluator];
}

const computeNames = ['cpu', 'memory', 'ephemeral-storage'];
const podNames: ReadonlySet<string> = new Set([
  'pods',
  'count/pods',
  ...computeNames.flatMap((name) => [name, `requests.${name}`, `limits.${name}`]),
]);

/** Where these are limited, every container has to say what it takes. Source: upstream `validationSet`. */
const demandedNames: ReadonlySet<string> = new Set(
  ['cpu', 'memory'].flatMap((name) => [name, `requests.${name}`, `limits.${name}`]),
);

const podEvaluator: Evaluator<Pod> = {
  counts: (name) =>
    podNames.has(name) ||
    /^(?:requests\.)?hugepages-/.test(name) ||
    (name.startsWith('requests.') && !isNativeResource(name)),
  usage: (pod, nowMs) => {
    if (!isCharged(pod, nowMs)) return new Map([['count/pods', one]]);
    return new Map([['count/pods', one], ...computeUsage(podAmounts(pod, 'requests'), podAmounts(pod, 'limits'))]);
  },
  handles: ({ operation, subresource }) =>
    subresource === '' ? operation === 'CREATE' : subresource === 'resize' && operation === 'UPDATE',
  isInScope: isPodInScope,
  missing: (pod, names) => {
    // What the pod says of itself makes it unnecessary that its containers do.
    if (hasPodLevelAmounts(pod)) return '';
    const demanded = names.filter((name) => demandedNames.has(name)).sort();
    const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
    const texts = demanded.flatMap((name) => {
      const silent = containers.filter(
        ({ resources }) => !computeUsage(amountsOf(resources?.requests), amountsOf(resources?.limits)).has(name),
      );
      const owners = [...new Set(silent.map((container) => container.name))].sort();
      return owners.length === 0 ? [] : [`${name} for: ${owners.join(',')}`];
    });
    return texts.length === 0 ? '' : `must specify ${texts.join('; ')}`;
  },
};

/** A pod that has ended takes nothing, nor one that should have gone: its node may be lost. Source: upstream `QuotaV1Pod`. */
function isCharged(pod: Pod, nowMs: number): boolean {
  if (isPodTerminal(pod)) return false;
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata ?? {};
  if (deletionTimestamp === undefined || deletionGracePeriodSeconds === undefined) return true;
  return nowMs <= Date.parse(deletionTimestamp) + doubleOf(deletionGracePeriodSeconds) * 1_000;
}

function computeUsage(requests: Amounts, limits: Amounts): Amounts {
  const usage = new Map<string, Quantity>([['pods', one]]);
  for (const name of computeNames) {
    const [request, limit] = [requests.get(name), limits.get(name)];
    if (request !== undefined) usage.set(name, request).set(`requests.${name}`, request);
    if (limit !== undefined) usage.set(`limits.${name}`, limit);
  }
  for (const [name, request] of requests) {
    if (name.startsWith('hugepages-')) usage.set(name, request).set(`requests.${name}`, request);
    if (isExtendedResource(name)) usage.set(`requests.${name}`, request);
  }
  return usage;
}

const serviceNames: ReadonlySet<string> = new Set([
  'count/services',
  'services',
  'services.nodeports',
  'services.loadbalancers',
]);

const serviceEvaluator: Evaluator<Service> = {
  counts: (name) => serviceNames.has(name),
  usage: (service) => {
    const isBalanced = service.spec?.type === 'LoadBalancer';
    return new Map([
      ['count/services', one],
      ['services', one],
      ['services.loadbalancers', isBalanced ? one : zeroQuantity],
      ['services.nodeports', quantityOf(nodePorts(service))],
    ]);
  },
  handles: ({ operation }) => isWrite(operation),
};

/** How many node ports a Service has or is about to get. */
function nodePorts({ spec }: Service): number {
  const { type, ports = [] } = spec ?? {};
  if (type === 'NodePort') return ports.length;
  if (type !== 'LoadBalancer') return 0;
  if (spec?.allocateLoadBalancerNodePorts !== false) return ports.length;
  return ports.filter(({ nodePort }) => nodePort !== undefined && nodePort !== 0).length;
}

const classSuffix = '.storageclass.storage.k8s.io/';
const claimNames = ['persistentvolumeclaims', 'requests.storage'];
const oldClassAnnotation = 'volume.beta.kubernetes.io/storage-class';
const nanoPerUnit = 1_000_000_000n;

const claimEvaluator: Evaluator<PersistentVolumeClaim> = {
  counts: (name) =>
    name === 'count/persistentvolumeclaims' ||
    claimNames.includes(name) ||
    claimNames.some((own) => name.endsWith(classSuffix + own)),
  usage: (claim) => {
    const className = claim.metadata?.annotations?.[oldClassAnnotation] ?? claim.spec?.storageClassName ?? '';
    const usage = new Map<string, Quantity>([
      ['count/persistentvolumeclaims', one],
      ['persistentvolumeclaims', one],
    ]);
    const storage = claimStorage(claim);
    if (storage !== undefined) usage.set('requests.storage', storage);
    if (className === '') return usage;
    usage.set(`${className}${classSuffix}persistentvolumeclaims`, one);
    if (storage !== undefined) usage.set(`${className}${classSuffix}requests.storage`, storage);
    return usage;
  },
  handles: ({ operation, subresource }) =>
    subresource === '' ? isWrite(operation) : subresource === 'status' && operation === 'UPDATE',
  isInScope: isClaimInScope,
};

/** What a claim asks for, or has been promised if that is more: whole bytes, as a quota has no parts of one. */
function claimStorage({ spec, status }: PersistentVolumeClaim): Quantity | undefined {
  const wanted = amountsOf(spec?.resources?.requests).get('storage');
  const allocated = amountsOf(status?.allocatedResources).get('storage');
  if (wanted === undefined) return undefined;
  const larger = allocated !== undefined && allocated.nano > wanted.nano ? allocated : wanted;
  return larger.nano % nanoPerUnit === 0n ? larger : quantityOf(larger.value, larger.format);
}

const devicesSuffix = '.deviceclass.resource.k8s.io/devices';
/** Devices that a request for all of them counts for. Source: resource API `AllocationResultsMaxSize`. */
const allDevices = 32;

const resourceClaimEvaluator: Evaluator<ResourceClaim> = {
  counts: (name) => name === 'count/resourceclaims.resource.k8s.io' || name.endsWith(devicesSuffix),
  usage: ({ spec }) => {
    const devices = new Map<string, number>();
    for (const { exactly, firstAvailable } of spec?.devices?.requests ?? []) {
      // Of several alternatives, the most that could come of each class.
      const most = new Map<string, number>();
      for (const { deviceClassName, allocationMode, count } of [
        ...(exactly ? [exactly] : []),
        ...(firstAvailable ?? []),
      ]) {
        const wanted = allocationMode === 'All' ? allDevices : doubleOf(count ?? 1);
        most.set(deviceClassName, Math.max(most.get(deviceClassName) ?? 0, wanted));
      }
      for (const [name, count] of most) devices.set(name, (devices.get(name) ?? 0) + count);
    }
    const perClass = [...devices].map(([name, count]): [string, Quantity] => [name + devicesSuffix, quantityOf(count)]);
    return new Map([['count/resourceclaims.resource.k8s.io', one], ...perClass]);
  },
  handles: ({ operation, subresource }) => subresource === '' && isWrite(operation),
};

const special: ReadonlyMap<string, Evaluator> = new Map([
  evaluates(pods, podEvaluator),
  evaluates(services, serviceEvaluator),
  evaluates(persistentVolumeClaims, claimEvaluator),
  evaluates(resourceClaims, resourceClaimEvaluator),
]);
