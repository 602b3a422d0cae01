/**
 * Allocates the devices that a pod's resource claims ask for, on the node that it goes to, and reserves the claims for it. The choice is made in memory and counts at
 * once; it is written down before the pod is bound. Upstream counterpart: `plugins/dynamicresources`.
 */
import { matchesNodeSelector } from '#pkg/api/scheduling/node-selector.ts';
import { deviceClasses, deviceTaintRules, resourceClaims, resourceSlices } from '#pkg/api/types/refs.ts';
import type { AllocationResult, DeviceClass, ResourceClaim, ResourceSlice } from '#pkg/api/types/resource-v1.ts';
import type { DeviceTaintRule } from '#pkg/api/types/resource-v1beta2.ts';
import { controllerOf, objectKey } from '#pkg/apimachinery/object.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { EventRegistration } from '../../framework/events.ts';
import type {
  FilterPlugin,
  PostFilterPlugin,
  PreBindPlugin,
  PreEnqueuePlugin,
  PreFilterPlugin,
  ReservePlugin,
} from '../../framework/plugin.ts';
import { configurable } from '../../framework/plugin-args.ts';
import { type Status, success, unresolvable, unschedulable } from '../../framework/status.ts';
import type { NodeInfo } from '../../model/node-info.ts';
import type { PodInfo } from '../../model/pod-info.ts';
import { allocate, type ChosenDevice } from './allocate.ts';
import { allocationResult } from './allocation-result.ts';
import { deviceId, isOnNode, type PooledDevice, pooledDevices } from './device-pools.ts';
import { allocatedFinalizer, type WriteClaims, writeClaimsBy } from './write-claims.ts';

/** Most pods that a claim is reserved for. Source: `ResourceClaimReservedForMaxSize`. */
const reservedForMax = 256;

/** Where claims, classes and devices are found. */
export interface DeviceSource {
  /** By `namespace/name`. */
  claim(key: string): ResourceClaim | undefined;
  claims(): readonly ResourceClaim[];
  deviceClass(name: string): DeviceClass | undefined;
  slices(): readonly ResourceSlice[];
  /** Absent where the API has none. */
  taintRules?(): readonly DeviceTaintRule[];
}

interface DynamicResourcesArgs {
  /** Upstream's limit of time for one node; here the search is bounded by its steps. */
  readonly filterTimeout?: string;
}

type DynamicResources = FilterPlugin &
  PostFilterPlugin &
  PreBindPlugin &
  PreEnqueuePlugin &
  PreFilterPlugin &
  ReservePlugin;

/** The line of the table. */
export const dynamicResources = configurable<DynamicResourcesArgs>({
  name: 'DynamicResources',
  properties: { filterTimeout: { type: 'string' } },
  fallback: () => ({}),
  create: ({ client, lister, hasTaintRules = false }) => {
    const [claims, classes, slices] = [lister(resourceClaims), lister(deviceClasses), lister(resourceSlices)];
    const rules = hasTaintRules ? lister(deviceTaintRules) : undefined;
    const source: DeviceSource = {
      claim: (key) => claims.get(key),
      claims: () => claims.list(),
      deviceClass: (name) => classes.get(name),
      slices: () => slices.list(),
      ...(rules === undefined ? {} : { taintRules: () => rules.list() }),
    };
    return createDynamicResources(source, writeClaimsBy(client));
  },
});

/** What a claim can have. */
interface Allocation {
  readonly claim: ResourceClaim;
  readonly allocation: AllocationResult;
}

/** What has been chosen for a claim that is not written down yet. */
interface Assumed extends Allocation {
  /** The uid of the pod that it was chosen for; others may share the claim. */
  readonly owner: string;
}

const unavailable = unresolvable('resourceclaim not available on the node');
const unsatisfied = unschedulable('cannot allocate all claims');
/** Said of every pod that fits nowhere, as upstream does: its controller takes devices from claims that nobody uses. */
const nothingToFree = unschedulable('no new claims to deallocate');

/** A taint that goes may be what a pod waited for. */
const ruleEvents: EventRegistration = { resource: 'DeviceTaintRule', actions: ['Update', 'Delete'] };

/** The plugin over a way to find claims and devices, and one to write what was allocated. */
export function createDynamicResources(source: DeviceSource, writeClaims: WriteClaims): DynamicResources {
  /** By the key of the claim; of pods that have a node and are not bound yet. */
  const assumed = new Map<string, Assumed>();
  /** Those that are written down, by key, with the version that the claim had before: they count until the claim shows it. */
  const written = new Map<string, string | undefined>();
  const check = (pod: PodInfo) => {
    for (const [key, version] of written) {
      const claim = source.claim(key);
      if (claim !== undefined && isAwaited(claim, version)) continue;
      written.delete(key);
      assumed.delete(key);
    }
    return checkOf(pod, source, assumed);
  };
  const keysOf = (pod: PodInfo): readonly string[] =>
    claimNamesOf(pod).flatMap(({ claimName }) => (claimName === undefined ? [] : [`${pod.namespace}/${claimName}`]));
  return {
    name: 'DynamicResources',
    events: [
      { resource: 'ResourceClaim', actions: ['Add', 'Update', 'Delete'] },
      { resource: 'ResourceSlice', actions: ['Add', 'Update'] },
      { resource: 'DeviceClass', actions: ['Add', 'Update'] },
      ...(source.taintRules === undefined ? [] : [ruleEvents]),
      { resource: 'Node', actions: ['Add', 'UpdateLabels'] },
      { resource: 'TargetPod', actions: ['UpdateLabels'] },
    ],
    // Its status says so once it is there; for all else the pod waits for events of claims.
    preEnqueue: (pod) => {
      const isWaiting = claimNamesOf(pod).some(({ claimName }) => claimName === undefined);
      return isWaiting ? unresolvable(waitingText(pod)) : success;
    },
    preFilter({ pod }) {
      return { status: whyNotReady(pod, source) ?? whyNotUsable(pod, source) ?? success };
    },
    filter({ pod }) {
      if (claimNamesOf(pod).length === 0) return undefined;
      const ofNode = check(pod);
      return (node) => ofNode(node).status;
    },
    postFilter: () => ({ status: nothingToFree }),
    reserve({ pod, cluster }, nodeName) {
      const node = cluster.node(nodeName);
      if (claimNamesOf(pod).length === 0 || node === undefined) return success;
      const { status, allocations } = check(pod)(node);
      if (status === success)
        for (const one of allocations) assumed.set(objectKey(one.claim), { ...one, owner: pod.uid });
      return status;
    },
    unreserve({ pod }) {
      for (const key of keysOf(pod)) if (!written.has(key) && assumed.get(key)?.owner === pod.uid) assumed.delete(key);
    },
    async preBind({ pod }, _nodeName, signal) {
      const keys = keysOf(pod);
      if (keys.length === 0) return success;
      const claims = keys.flatMap((key) => {
        const claim = source.claim(key);
        return claim === undefined ? [] : [{ claim, allocation: assumed.get(key)?.allocation }];
      });
      await writeClaims(claims, { pod: pod.pod, signal });
      for (const { claim } of claims)
        if (assumed.has(objectKey(claim))) written.set(objectKey(claim), claim.metadata?.resourceVersion);
      return success;
    },
  };
}

/** Whether a claim that was written does not show it yet. One that is free again has lost the finalizer that was written first. */
function isAwaited({ metadata, status }: ResourceClaim, versionBefore: string | undefined): boolean {
  if (status?.allocation !== undefined) return false;
  return metadata?.resourceVersion === versionBefore || metadata?.finalizers?.includes(allocatedFinalizer) === true;
}

/** The pod's claims by name; one that is to be made of a template has none until it was. */
function claimNamesOf({ pod }: PodInfo) {
  const statuses = pod.status?.resourceClaimStatuses ?? [];
  return (pod.spec?.resourceClaims ?? []).flatMap(({ name, resourceClaimName, resourceClaimTemplateName }) => {
    if (resourceClaimName !== undefined) return [{ claimName: resourceClaimName, isOwn: false }];
    if (resourceClaimTemplateName === undefined) return [];
    const status = statuses.find((one) => one.name === name);
    // The template said that there is no need for one.
    if (status !== undefined && status.resourceClaimName === undefined) return [];
    return [{ claimName: status?.resourceClaimName, isOwn: true }];
  });
}

function waitingText({ key }: PodInfo): string {
  return `waiting for dynamic resource controller to create the resourceclaim for pod "${key}"`;
}

/** Why a pod need not be tried yet. */
function whyNotReady(pod: PodInfo, source: DeviceSource): Status | undefined {
  for (const { claimName, isOwn } of claimNamesOf(pod)) {
    if (claimName === undefined) return unresolvable(waitingText(pod));
    const claim = source.claim(`${pod.namespace}/${claimName}`);
    if (claim === undefined) return unresolvable(`resourceclaim.resource.k8s.io "${claimName}" not found`);
    if (claim.metadata?.deletionTimestamp !== undefined)
      return unresolvable(`resourceclaim "${claimName}" is being deleted`);
    if (isOwn && controllerOf(claim)?.uid !== pod.uid)
      return unresolvable(`ResourceClaim ${objectKey(claim)} was not created for pod ${pod.key} (pod is not owner)`);
  }
  return undefined;
}

function whyNotUsable(pod: PodInfo, source: DeviceSource): Status | undefined {
  for (const claim of claimsOf(pod, source)) {
    const { allocation, reservedFor = [] } = claim.status ?? {};
    const isMine = reservedFor.some(({ uid }) => uid === pod.uid);
    if (allocation !== undefined && !isMine && reservedFor.length >= reservedForMax)
      return unresolvable('resourceclaim in use');
    for (const { name, exactly, firstAvailable = [] } of claim.spec.devices?.requests ?? []) {
      for (const { deviceClassName } of exactly === undefined ? firstAvailable : [exactly])
        if (allocation === undefined && source.deviceClass(deviceClassName) === undefined)
          return unresolvable(`request ${name}: device class ${deviceClassName} does not exist`);
    }
  }
  return undefined;
}

function claimsOf(pod: PodInfo, source: DeviceSource): readonly ResourceClaim[] {
  return claimNamesOf(pod).flatMap(({ claimName }) => source.claim(`${pod.namespace}/${claimName}`) ?? []);
}

interface NodeAnswer {
  readonly status: Status;
  readonly allocations: readonly Allocation[];
}

/** What each node can do for the pod's claims. */
function checkOf(
  pod: PodInfo,
  source: DeviceSource,
  assumed: ReadonlyMap<string, Assumed>,
): (node: NodeInfo) => NodeAnswer {
  const claims = claimsOf(pod, source);
  const allocationOf = (claim: ResourceClaim): AllocationResult | undefined =>
    claim.status?.allocation ?? assumed.get(objectKey(claim))?.allocation;
  const allocated = claims.flatMap((claim) => allocationOf(claim) ?? []);
  const open = claims.filter((claim) => allocationOf(claim) === undefined);
  const devices = open.length === 0 ? [] : pooledDevices(source.slices(), source.taintRules?.() ?? []);
  const taken = open.length === 0 ? new Set<string>() : takenDevices(source, assumed);
  const consumers = devices.filter(({ id }) => taken.has(id));
  const refused = (status: Status): NodeAnswer => ({ status, allocations: [] });
  return (node) => {
    for (const { nodeSelector } of allocated)
      if (nodeSelector !== undefined && !matchesNodeSelector(nodeSelector, node)) return refused(unavailable);
    if (open.length === 0) return { status: success, allocations: [] };
    const reached = devices.filter((device: PooledDevice) => isOnNode(device, node));
    const classOf = (name: string): DeviceClass | undefined => source.deviceClass(name);
    let chosen: readonly (readonly ChosenDevice[])[] | undefined;
    try {
      chosen = allocate(open, { devices: reached, taken, consumers, classOf });
    } catch (error) {
      return refused(unresolvable(errorText(error)));
    }
    if (chosen === undefined) return refused(unsatisfied);
    const allocations = open.map((claim, index) => ({
      claim,
      allocation: allocationResult(claim, chosen[index] ?? [], { nodeName: node.name, classOf }),
    }));
    return { status: success, allocations };
  };
}

/** Whoever only looks at a device has it not. */
function takenDevices(source: DeviceSource, assumed: ReadonlyMap<string, Assumed>): ReadonlySet<string> {
  const allocations = [
    ...source.claims().flatMap(({ status }) => status?.allocation ?? []),
    ...Array.from(assumed.values(), ({ allocation }) => allocation),
  ];
  const results = allocations.flatMap(({ devices }) => devices?.results ?? []);
  return new Set(results.filter(({ adminAccess }) => adminAccess !== true).map(deviceId));
}
