/** What an allocation is written down as, in the status of a claim. Source: API reference, `AllocationResult` v1. */
import type { NodeSelector, NodeSelectorTerm } from '#pkg/api/types/core-v1.ts';
import type {
  AllocationResult,
  DeviceAllocationConfiguration,
  DeviceClass,
  DeviceRequestAllocationResult,
  ResourceClaim,
} from '#pkg/api/types/resource-v1.ts';
import type { ChosenDevice } from './allocate.ts';

/** What it follows from beside the claim. */
interface ResultOptions {
  readonly nodeName: string;
  readonly classOf: (name: string) => DeviceClass | undefined;
}

/** The result for a claim that gets these devices on a node. */
export function allocationResult(
  { spec }: ResourceClaim,
  chosen: readonly ChosenDevice[],
  { nodeName, classOf }: ResultOptions,
): AllocationResult {
  const results = chosen.map(({ request, device, adminAccess, wish }): DeviceRequestAllocationResult => {
    const { bindingConditions = [], bindingFailureConditions = [] } = device.device;
    return {
      request,
      driver: device.driver,
      pool: device.pool,
      device: device.device.name,
      ...(adminAccess ? { adminAccess } : {}),
      ...(wish.tolerations === undefined ? {} : { tolerations: wish.tolerations }),
      ...(bindingConditions.length === 0 ? {} : { bindingConditions, bindingFailureConditions }),
    };
  });
  const config: DeviceAllocationConfiguration[] = [];
  const ofRequests = new Map(chosen.map(({ request, wish }) => [request, wish.deviceClassName]));
  for (const [request, className] of ofRequests)
    for (const { opaque } of classOf(className)?.spec.config ?? [])
      config.push({ source: 'FromClass', requests: [request], ...(opaque === undefined ? {} : { opaque }) });
  for (const { requests = [], opaque } of spec.devices?.config ?? []) {
    const own = requests.filter((name) => [...ofRequests.keys()].some((request) => isOf(request, name)));
    if (requests.length > 0 && own.length === 0) continue;
    config.push({
      source: 'FromClaim',
      ...(requests.length === 0 ? {} : { requests: own }),
      ...(opaque === undefined ? {} : { opaque }),
    });
  }
  const nodeSelector = nodeSelectorOf(chosen, nodeName);
  return {
    devices: { results, ...(config.length === 0 ? {} : { config }) },
    ...(nodeSelector === undefined ? {} : { nodeSelector }),
  };
}

function isOf(request: string, name: string): boolean {
  return request === name || request.startsWith(`${name}/`);
}

/** Where the devices can be used: on their node where one of them is of a node, else where all of them are reached; undefined for everywhere. */
function nodeSelectorOf(chosen: readonly ChosenDevice[], nodeName: string): NodeSelector | undefined {
  let term: NodeSelectorTerm | undefined;
  for (const { device } of chosen) {
    const where = device.slice.spec.perDeviceNodeSelection === true ? device.device : device.slice.spec;
    if (where.nodeName) {
      const matchFields = [{ key: 'metadata.name', operator: 'In', values: [nodeName] }];
      return { nodeSelectorTerms: [{ matchFields }] };
    }
    for (const { matchExpressions = [], matchFields = [] } of where.nodeSelector?.nodeSelectorTerms ?? []) {
      term = {
        matchExpressions: [...(term?.matchExpressions ?? []), ...matchExpressions],
        matchFields: [...(term?.matchFields ?? []), ...matchFields],
      };
    }
  }
  if (term === undefined) return undefined;
  const { matchExpressions = [], matchFields = [] } = term;
  return {
    nodeSelectorTerms: [
      {
        ...(matchExpressions.length === 0 ? {} : { matchExpressions }),
        ...(matchFields.length === 0 ? {} : { matchFields }),
      },
    ],
  };
}
