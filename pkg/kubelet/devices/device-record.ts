/**
 * What a kubelet writes down of devices, for the next one of its folder, in the form of upstream's checkpoint but for its checksum, which is of how Go prints it. Pure.
 * Source: kubelet `cm/devicemanager/checkpoint`.
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import { Fields } from '#pkg/grpc/message.ts';
import type { GivenDevices } from './device-ledger.ts';
import { partsOf } from './device-messages.ts';

/** Name of the file, beside the sockets of device plugins. Source: `kubeletDeviceManagerCheckpoint`. */
export const deviceRecordName = 'kubelet_internal_checkpoint';

/** What is written. */
export interface DeviceRecord {
  readonly resources: readonly string[];
  readonly given: readonly GivenDevices[];
}

/** Of devices that are near no memory. */
const nowhere = '-1';

/** The file's value. */
export function recordValue({ resources, given }: DeviceRecord): object {
  return {
    Data: {
      PodDeviceEntries: given.map(({ podUid, container, resource, ids, allocation }) => ({
        PodUID: podUid,
        ContainerName: container,
        ResourceName: resource,
        DeviceIDs: { [nowhere]: ids },
        AllocResp: allocation.toString('base64'),
      })),
      RegisteredDevices: Object.fromEntries(resources.map((resource) => [resource, []])),
    },
  };
}

/** What a file says; undefined for what is none. */
export function recordOf(value: unknown): DeviceRecord | undefined {
  const data = isObject(value) ? value['Data'] : undefined;
  if (!isObject(data) || !Array.isArray(data['PodDeviceEntries']) || !isObject(data['RegisteredDevices']))
    return undefined;
  const given = data['PodDeviceEntries'].map(givenOf);
  if (given.includes(undefined)) return undefined;
  return {
    resources: Object.keys(data['RegisteredDevices']),
    given: given.filter((one) => one !== undefined),
  };
}

function givenOf(entry: unknown): GivenDevices | undefined {
  if (!isObject(entry)) return undefined;
  const texts = ['PodUID', 'ContainerName', 'ResourceName', 'AllocResp'].map((name) => entry[name]);
  const [podUid, container, resource, response] = texts;
  if (typeof podUid !== 'string' || typeof container !== 'string' || typeof resource !== 'string') return undefined;
  if (typeof response !== 'string' || !isObject(entry['DeviceIDs'])) return undefined;
  const ids = Object.values(entry['DeviceIDs']).flat();
  const allocation = Buffer.from(response, 'base64');
  return ids.every((id) => typeof id === 'string') && isAllocation(allocation)
    ? { podUid, container, resource, ids: [...new Set(ids)], allocation }
    : undefined;
}

function isAllocation(bytes: Buffer): boolean {
  try {
    partsOf(new Fields(bytes));
    return true;
  } catch {
    return false;
  }
}
