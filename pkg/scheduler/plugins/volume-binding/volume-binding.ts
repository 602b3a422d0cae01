/**
 * Holds pods with persistent volume claims to nodes that can reach their volumes. For claims that wait for their first consumer it chooses a volume
 * among those that a node reaches, or the node for whoever makes one, and lets the pod wait until they are bound.
 * Upstream counterpart: `plugins/volumebinding`. Scores nothing.
 */

import {
  isReachable,
  matchVolume,
  noProvisioner,
  storageClassOf,
  volumeAnnotations,
} from '#pkg/api/storage/volume-match.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '#pkg/api/types/core-v1.ts';
import {
  csiDrivers,
  csiStorageCapacities,
  persistentVolumeClaims,
  persistentVolumes,
  storageClasses,
} from '#pkg/api/types/refs.ts';
import type { StorageClass } from '#pkg/api/types/storage-v1.ts';
import { invalid, pathsOf } from '#pkg/apimachinery/field-error.ts';
import type { FilterPlugin, PreBindPlugin, PreFilterPlugin, ReservePlugin } from '../../framework/plugin.ts';
import { configurable } from '../../framework/plugin-args.ts';
import type { PluginContext, PluginEntry } from '../../framework/plugin-context.ts';
import { type Status, success, unresolvable } from '../../framework/status.ts';
import type { NodeInfo } from '../../model/node-info.ts';
import type { PodInfo } from '../../model/pod-info.ts';
import { type WantedClaim, wantedClaimsOf } from '../../model/wanted-claims.ts';
import { type AssumedClaim, AssumedClaims, claimKeyOf } from './assumed-claims.ts';
import { type BindClaims, bindClaimsBy, bindSecondsDefault, type ClaimDecision } from './bind-claims.ts';
import { type CapacitySource, roomFor } from './storage-capacity.ts';

/** Where claims and volumes are found. */
export interface VolumeSource extends CapacitySource {
  /** By `namespace/name`. */
  claim(key: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  volumes(): readonly PersistentVolume[];
  storageClass(name: string): StorageClass | undefined;
}

type VolumeBinding = FilterPlugin & PreBindPlugin & PreFilterPlugin & ReservePlugin;

const affinityRefusal = unresolvable("node(s) didn't match PersistentVolume's node affinity");
const goneRefusal = unresolvable('node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)');
const conflictRefusal = unresolvable("node(s) didn't find available persistent volumes to bind");
const spaceRefusal = unresolvable('node(s) did not have enough free storage');
const immediateRefusal = unresolvable('pod has unbound immediate PersistentVolumeClaims');

interface VolumeBindingArgs {
  /** How long a pod waits for its claims. */
  readonly bindTimeoutSeconds: number;
}

/** The line of the table. */
export const volumeBinding: PluginEntry = configurable<VolumeBindingArgs>({
  name: 'VolumeBinding',
  properties: { bindTimeoutSeconds: { type: 'integer' } },
  fallback: () => ({ bindTimeoutSeconds: bindSecondsDefault }),
  problems: ({ bindTimeoutSeconds }) =>
    bindTimeoutSeconds >= 0
      ? []
      : [
          invalid(
            pathsOf<VolumeBindingArgs>()('bindTimeoutSeconds'),
            bindTimeoutSeconds,
            'invalid BindTimeoutSeconds, should not be a negative value',
          ),
        ],
  create: volumeBindingOf,
});

/** The plugin over the claims, volumes and classes of the API. */
function volumeBindingOf({ client, lister }: PluginContext, { bindTimeoutSeconds }: VolumeBindingArgs): VolumeBinding {
  const [claims, volumes, classes, drivers, capacities] = [
    lister(persistentVolumeClaims),
    lister(persistentVolumes),
    lister(storageClasses),
    lister(csiDrivers),
    lister(csiStorageCapacities),
  ];
  const source: VolumeSource = {
    claim: (key) => claims.get(key),
    volume: (name) => volumes.get(name),
    volumes: () => volumes.list(),
    storageClass: (name) => classes.get(name),
    driver: (name) => drivers.get(name),
    capacities: () => capacities.list(),
  };
  return createVolumeBinding(source, bindClaimsBy(client, bindTimeoutSeconds));
}

/** The plugin over a way to find claims and volumes, and one to bind them. */
export function createVolumeBinding(source: VolumeSource, bindClaims: BindClaims): VolumeBinding {
  const assumed = new AssumedClaims();
  return {
    name: 'VolumeBinding',
    events: [
      { resource: 'PersistentVolumeClaim', actions: ['Add', 'Update'] },
      { resource: 'PersistentVolume', actions: ['Add', 'Update'] },
      { resource: 'StorageClass', actions: ['Add', 'Update'] },
      { resource: 'CSIStorageCapacity', actions: ['Add', 'Update'] },
      // It may no longer say how much room it has.
      { resource: 'CSIDriver', actions: ['Update', 'Delete'] },
      { resource: 'Node', actions: ['Add', 'UpdateLabels'] },
    ],
    preFilter({ pod }) {
      for (const wanted of wantedClaimsOf(pod)) {
        const status = checkClaim(wanted, pod, source);
        if (status !== success) return { status };
      }
      return { status: success };
    },
    filter({ pod }) {
      const check = checkOf(pod, source, assumed);
      return check === undefined ? undefined : (node) => check(node).status;
    },
    reserve({ pod, cluster }, nodeName) {
      const check = checkOf(pod, source, assumed);
      const node = cluster.node(nodeName);
      if (check === undefined || node === undefined) return success;
      const { status, decisions } = check(node);
      if (status === success && decisions.length > 0) assumed.set(pod.uid, { nodeName, decisions });
      return status;
    },
    unreserve({ pod }) {
      assumed.delete(pod.uid);
    },
    async preBind({ pod }, nodeName, signal) {
      const decisions = assumed.decisionsOf(pod.uid);
      if (decisions === undefined) return success;
      await bindClaims(decisions, { nodeName, signal });
      assumed.done(pod.uid);
      return success;
    },
  };
}

interface NodeAnswer {
  readonly status: Status;
  readonly decisions: readonly ClaimDecision[];
}

/** What a node can do for a pod's claims; undefined for a pod without any. */
function checkOf(
  pod: PodInfo,
  source: VolumeSource,
  assumed: AssumedClaims,
): ((node: NodeInfo) => NodeAnswer) | undefined {
  const wanted = wantedClaimsOf(pod);
  if (wanted.length === 0) return undefined;
  const claims = wanted.flatMap(({ name }) => source.claim(`${pod.namespace}/${name}`) ?? []);
  const bound = claims
    .filter(({ spec }) => (spec?.volumeName ?? '') !== '')
    .map(({ spec }) => source.volume(spec?.volumeName ?? ''));
  const unbound = claims.filter(({ spec }) => (spec?.volumeName ?? '') === '');
  const { taken, claims: promised } = assumed.look((key) => source.claim(key));
  const chooses = unbound.map((claim) => chooserOf(claim, promised.get(claimKeyOf(claim)), source));
  const refused = (status: Status): NodeAnswer => ({ status, decisions: [] });
  return (node) => {
    for (const volume of bound) {
      if (volume === undefined) return refused(goneRefusal);
      if (!isReachable(volume, node)) return refused(affinityRefusal);
    }
    const decisions: ClaimDecision[] = [];
    const used = new Set(taken);
    for (const choose of chooses) {
      const decision = choose(node, used);
      if ('code' in decision) return refused(decision);
      if (decision.volume !== undefined) used.add(decision.volume.metadata?.name ?? '');
      decisions.push(decision);
    }
    return { status: success, decisions };
  };
}

/** What becomes of a claim without a volume on a node where the volumes in `used` are taken, or why nothing can. */
type Choose = (node: NodeInfo, used: ReadonlySet<string>) => ClaimDecision | Status;

function chooserOf(claim: PersistentVolumeClaim, promised: AssumedClaim | undefined, source: VolumeSource): Choose {
  if (promised !== undefined) return sharedChooser(claim, promised);
  const volumes = source.volumes();
  const storageClass = source.storageClass(storageClassOf(claim));
  const hasRoom = storageClass === undefined ? undefined : roomFor(claim, storageClass, source);
  const chosen = claim.metadata?.annotations?.[volumeAnnotations.selectedNode];
  return (node, taken) => {
    // Somebody is making its volume there.
    if (chosen !== undefined && chosen !== node.name) return conflictRefusal;
    const volume = chosen === undefined ? matchVolume(claim, volumes, { node, taken }) : undefined;
    if (volume === undefined && !isProvisionable(storageClass, node)) return conflictRefusal;
    if (volume === undefined && hasRoom?.(node) === false) return spaceRefusal;
    return { claim, volume, isShared: false };
  };
}

/** As a pod that shares the claim has it: by its volume, or where one is made. */
function sharedChooser(claim: PersistentVolumeClaim, { nodeName, volume }: AssumedClaim): Choose {
  const shared: ClaimDecision = { claim, volume, isShared: true };
  return (node) => {
    if (volume === undefined) return node.name === nodeName ? shared : conflictRefusal;
    return isReachable(volume, node) ? shared : affinityRefusal;
  };
}

/** Whether a volume of the class can be made for a node. Which provisioners there are is not known here. */
function isProvisionable(storageClass: StorageClass | undefined, node: NodeInfo): boolean {
  if (storageClass === undefined || storageClass.provisioner === noProvisioner) return false;
  const topologies = storageClass.allowedTopologies ?? [];
  if (topologies.length === 0) return true;
  return topologies.some(({ matchLabelExpressions = [] }) =>
    matchLabelExpressions.every(({ key, values }) => values.includes(node.labels[key] ?? '')),
  );
}

function checkClaim({ name, isEphemeral }: WantedClaim, pod: PodInfo, source: VolumeSource): Status {
  const claim = source.claim(`${pod.namespace}/${name}`);
  if (claim === undefined) {
    if (!isEphemeral) return unresolvable(`persistentvolumeclaim "${name}" not found`);
    return unresolvable(`waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`);
  }
  const { volumeName } = claim.spec ?? {};
  if (claim.status?.phase === 'Lost') {
    return unresolvable(`persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${volumeName ?? ''}"`);
  }
  if (claim.metadata?.deletionTimestamp !== undefined) {
    return unresolvable(`persistentvolumeclaim "${name}" is being deleted`);
  }
  const owner = claim.metadata?.ownerReferences?.find(({ controller }) => controller === true);
  if (isEphemeral && owner?.uid !== pod.uid) {
    return unresolvable(`PVC ${pod.namespace}/${name} was not created for pod ${pod.key} (pod is not owner)`);
  }
  if (volumeName && claim.status?.phase === 'Bound') return success;
  const waits = source.storageClass(storageClassOf(claim))?.volumeBindingMode === 'WaitForFirstConsumer';
  return !volumeName && waits ? success : immediateRefusal;
}
