/**
 * What the API says of a node's CSI drivers: the CSINode of its name, the node's annotation with the ids that drivers have for it, and labels of where it is. Writes repeat what
 * somebody else has changed meanwhile. Upstream counterpart: kubelet `volume/csi/nodeinfomanager`.
 */
import type { Node } from '#pkg/api/types/core-v1.ts';
import { csiNodes, nodes } from '#pkg/api/types/refs.ts';
import type { CSINode, CSINodeDriver } from '#pkg/api/types/storage-v1.ts';
import { deepEqual, isObject } from '#pkg/apimachinery/json.ts';
import { isAlreadyExists, isConflict, unlessGone } from '#pkg/apimachinery/status-error.ts';
import type { Client } from '#pkg/client/client.ts';
import type { CsiNodeInfo } from './csi-messages.ts';

const idsAnnotation = 'csi.volume.kubernetes.io/nodeid';
/** Tries of a write that others get in the way of. Source: `updateBackoff`. */
const triesMax = 6;

/** What is written, in whose name. */
export interface CsiNodeObjectsDeps {
  readonly client: Client;
  readonly nodeName: string;
}

/** Says that a driver is there. Rejects where it names a place that the node is not at, or has no id for it. */
export async function addDriver(deps: CsiNodeObjectsDeps, name: string, info: CsiNodeInfo): Promise<void> {
  const { nodeId, volumesMax, topology } = info;
  if (nodeId === '') throw new Error('error adding CSI driver node info: driverNodeID must not be empty');
  await changeNode(deps, (node) => {
    const { labels = {} } = node.metadata ?? {};
    for (const [key, value] of Object.entries(topology)) {
      const known = labels[key];
      if (known !== undefined && known !== value)
        throw new Error(
          `detected topology value collision: driver reported "${key}":"${value}" but existing label is "${key}":"${known}"`,
        );
    }
    return { labels: topology, ids: { ...idsOf(node), [name]: nodeId } };
  });
  const driver: CSINodeDriver = {
    name,
    nodeID: nodeId,
    topologyKeys: Object.keys(topology).sort(),
    ...(volumesMax > 0 ? { allocatable: { count: Math.min(volumesMax, 2 ** 31 - 1) } } : {}),
  };
  await changeDrivers(deps, (drivers) => [...drivers.filter((one) => one.name !== name), driver]);
}

/** Says that it is gone. */
export async function removeDriver(deps: CsiNodeObjectsDeps, name: string): Promise<void> {
  await changeDrivers(deps, (drivers) => drivers.filter((one) => one.name !== name));
  await changeNode(deps, (node) => {
    const { [name]: _, ...ids } = idsOf(node);
    return { labels: {}, ids };
  });
}

/** Says which there are, where there was no word of any: none. */
export async function ensureCsiNode(deps: CsiNodeObjectsDeps): Promise<void> {
  await changeDrivers(deps, (drivers) => drivers);
}

interface NodeChange {
  readonly labels: Readonly<Record<string, string>>;
  readonly ids: Readonly<Record<string, string>>;
}

async function changeNode({ client, nodeName }: CsiNodeObjectsDeps, change: (node: Node) => NodeChange): Promise<void> {
  const api = client.resource(nodes);
  const node = await api.get(nodeName);
  const { labels, ids } = change(node);
  const { labels: known = {} } = node.metadata ?? {};
  if (deepEqual(ids, idsOf(node)) && Object.entries(labels).every(([key, value]) => known[key] === value)) return;
  const value = Object.keys(ids).length === 0 ? null : JSON.stringify(ids);
  await api.patch(nodeName, { metadata: { labels, annotations: { [idsAnnotation]: value } } }, { type: 'merge' });
}

function idsOf({ metadata }: Node): Readonly<Record<string, string>> {
  const text = metadata?.annotations?.[idsAnnotation];
  if (text === undefined) return {};
  try {
    const ids: unknown = JSON.parse(text);
    if (!isObject(ids)) return {};
    return Object.fromEntries(
      Object.entries(ids).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    );
  } catch {
    return {};
  }
}

type DriversChange = (drivers: readonly CSINodeDriver[]) => readonly CSINodeDriver[];

async function changeDrivers(deps: CsiNodeObjectsDeps, change: DriversChange): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await changeDriversOnce(deps, change);
      return;
    } catch (error) {
      if (tries >= triesMax || !(isConflict(error) || isAlreadyExists(error))) throw error;
    }
  }
}

async function changeDriversOnce({ client, nodeName }: CsiNodeObjectsDeps, change: DriversChange): Promise<void> {
  const api = client.resource(csiNodes);
  const known = await unlessGone(api.get(nodeName));
  const before = known?.spec.drivers ?? [];
  const drivers = change(before);
  if (known !== undefined && deepEqual(before, drivers)) return;
  if (known !== undefined) {
    await api.update({ ...known, spec: { drivers } });
    return;
  }
  const node = await client.resource(nodes).get(nodeName);
  const uid = node.metadata?.uid ?? '';
  const made: CSINode = {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSINode',
    metadata: { name: nodeName, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid }] },
    spec: { drivers },
  };
  await api.create(made);
}
