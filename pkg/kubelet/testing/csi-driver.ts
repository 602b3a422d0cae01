/** What tests of CSI drivers begin with: a driver in a process of its own, registered at a node, a volume of it with a claim, and pods that have it. */
import { rm } from 'node:fs/promises';
import { expect } from 'vitest';
import type { PersistentVolume, Pod } from '#pkg/api/types/core-v1.ts';
import { events, persistentVolumeClaims, persistentVolumes, pods } from '#pkg/api/types/refs.ts';
import type { CSIDriver } from '#pkg/api/types/storage-v1.ts';
import { type PeerPlan, PluginPeer } from './plugin-peer.ts';
import type { startRealNode } from './real-node.ts';

/** The driver's name. */
export const driver = 'disks.example.com';
/** The node. */
export type RealNode = Awaited<ReturnType<typeof startRealNode>>;

/** An answer to `NodeGetCapabilities`, by the numbers of the interface. */
export const capabilities = (...types: readonly number[]) => ({
  capabilities: types.map((type) => ({ rpc: { type } })),
});

/** A driver, which names paths as it would in a pod of its own where `isInPod`. */
export async function startDriver(
  node: RealNode,
  answers: Readonly<Record<string, object>> = {},
  {
    isInPod = false,
    refusals = {},
    ...rest
  }: { readonly isInPod?: boolean } & Pick<PeerPlan, 'refusals' | 'shows'> = {},
) {
  const registered = await node.place('plugins_registry', 'disks-reg.sock');
  const socketPath = await node.place('plugins', driver, 'csi.sock');
  await Promise.all([registered, socketPath].map((path) => rm(path, { force: true })));
  const endpoint = isInPod ? `/var/lib/kubelet/plugins/${driver}/csi.sock` : socketPath;
  const plugin = await PluginPeer.start({
    sockets: [
      { socketPath, names: ['csi.v1.Node'] },
      { socketPath: registered, names: ['pluginregistration.Registration'] },
    ],
    answers: {
      GetInfo: { type: 'CSIPlugin', name: driver, endpoint, versions: ['1.0.0'] },
      NodeGetInfo: { nodeId: 'machine-7', volumesMax: 3, topology: { segments: { 'example.com/zone': 'north' } } },
      ...answers,
    },
    refusals,
    ...rest,
  });
  await plugin.registered();
  return { plugin, registered };
}

/** The driver's object. */
export const object = (spec: CSIDriver['spec']): CSIDriver => ({ metadata: { name: driver }, spec });

const ofNode = {
  required: {
    nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['n1'] }] }],
  },
};

/** A volume with a claim that is bound to it: of the driver, unless it says of what else. */
export async function bound({ client }: RealNode, spec: Partial<NonNullable<PersistentVolume['spec']>> = {}) {
  const { accessModes = ['ReadWriteOnce'], volumeMode = 'Filesystem' } = spec;
  const csi = { driver, volumeHandle: 'handle-1', fsType: 'ext4', volumeAttributes: { size: 'large' } };
  const isElsewhere = spec.local !== undefined || spec.hostPath !== undefined;
  const claims = client.resource(persistentVolumeClaims);
  const claim = await claims.create({
    metadata: { name: 'data', namespace: 'default' },
    spec: { accessModes, resources: { requests: { storage: '1Gi' } }, volumeName: 'disk', volumeMode },
  });
  await claims.update(
    { ...claim, status: { phase: 'Bound', capacity: { storage: '1Gi' } } },
    { subresource: 'status' },
  );
  return client.resource(persistentVolumes).create({
    metadata: { name: 'disk' },
    spec: {
      capacity: { storage: '1Gi' },
      accessModes,
      claimRef: { namespace: 'default', name: 'data', uid: claim.metadata?.uid ?? '' },
      ...(isElsewhere ? { nodeAffinity: ofNode } : { csi }),
      ...spec,
    },
  });
}

/** A pod of the node with the volume of that claim. */
export const podOf = (name: string, rest: Partial<NonNullable<Pod['spec']>> = {}): Pod => ({
  metadata: { name, namespace: 'default' },
  spec: {
    nodeName: 'n1',
    serviceAccountName: 'default',
    containers: [{ name: 'app', image: 'example.com/app:v1', volumeMounts: [{ name: 'v', mountPath: '/data' }] }],
    volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }],
    ...rest,
  },
});
/** Whether a pod runs. */
export const isRunning = ({ status }: Pod): boolean => status?.phase === 'Running';
/** Deletes a pod at once. */
export const remove = ({ client }: RealNode, name: string) =>
  client.resource(pods).delete(name, { namespace: 'default', gracePeriodSeconds: 0 });
/** Resolves once a pod was said not to have its volumes for that reason. */
export const eventuallyFails = ({ client }: RealNode, message: RegExp | string) =>
  expect
    .poll(async () => {
      const { items } = await client.resource(events).list({ namespace: 'default' });
      return items.flatMap(({ reason, message: said }) =>
        reason === 'FailedMount' ? [said?.replace(/^.*? : /, '')] : [],
      );
    })
    .toContainEqual(typeof message === 'string' ? message : expect.stringMatching(message));
