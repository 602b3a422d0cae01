/** The services of the kubelet's plugins as a plugin sees them, for another implementation of gRPC and of its messages than the project's own. */
import protobuf from 'protobufjs';

type FieldSpec = readonly [id: number, type: string, rule?: 'map' | 'repeated'];

/** Messages by name: each field with its number. */
const messages: Readonly<Record<string, Readonly<Record<string, FieldSpec>>>> = {
  Empty: {},
  // pluginregistration.
  PluginInfo: {
    type: [1, 'string'],
    name: [2, 'string'],
    endpoint: [3, 'string'],
    versions: [4, 'string', 'repeated'],
  },
  RegistrationStatus: { registered: [1, 'bool'], error: [2, 'string'] },
  // deviceplugin/v1beta1.
  DeviceOptions: { preStart: [1, 'bool'], preferred: [2, 'bool'] },
  RegisterRequest: {
    version: [1, 'string'],
    endpoint: [2, 'string'],
    resource: [3, 'string'],
    options: [4, 'DeviceOptions'],
  },
  NumaNode: { id: [1, 'int64'] },
  Topology: { nodes: [1, 'NumaNode', 'repeated'] },
  Device: { id: [1, 'string'], health: [2, 'string'], topology: [3, 'Topology'] },
  Devices: { devices: [1, 'Device', 'repeated'] },
  DeviceIds: { ids: [1, 'string', 'repeated'] },
  AllocateRequest: { containers: [1, 'DeviceIds', 'repeated'] },
  ContainerMount: { containerPath: [1, 'string'], hostPath: [2, 'string'], readOnly: [3, 'bool'] },
  DeviceNode: { containerPath: [1, 'string'], hostPath: [2, 'string'], permissions: [3, 'string'] },
  CdiName: { name: [1, 'string'] },
  ContainerParts: {
    envs: [1, 'string', 'map'],
    mounts: [2, 'ContainerMount', 'repeated'],
    devices: [3, 'DeviceNode', 'repeated'],
    annotations: [4, 'string', 'map'],
    cdi: [5, 'CdiName', 'repeated'],
  },
  AllocateResponse: { containers: [1, 'ContainerParts', 'repeated'] },
  Preference: { available: [1, 'string', 'repeated'], mustInclude: [2, 'string', 'repeated'], size: [3, 'int32'] },
  PreferredRequest: { containers: [1, 'Preference', 'repeated'] },
  PreferredResponse: { containers: [1, 'DeviceIds', 'repeated'] },
  // podresources/v1.
  ResourceDevices: { resource: [1, 'string'], ids: [2, 'string', 'repeated'], topology: [3, 'Topology'] },
  ClaimDevice: { cdi: [1, 'CdiName', 'repeated'], driver: [2, 'string'], pool: [3, 'string'], device: [4, 'string'] },
  ClaimOfContainer: { name: [2, 'string'], namespace: [3, 'string'], devices: [4, 'ClaimDevice', 'repeated'] },
  ContainerMemory: { type: [1, 'string'], size: [2, 'uint64'], topology: [3, 'Topology'] },
  ContainerResources: {
    name: [1, 'string'],
    devices: [2, 'ResourceDevices', 'repeated'],
    cpus: [3, 'int64', 'repeated'],
    memory: [4, 'ContainerMemory', 'repeated'],
    claims: [5, 'ClaimOfContainer', 'repeated'],
  },
  PodResources: { name: [1, 'string'], namespace: [2, 'string'], containers: [3, 'ContainerResources', 'repeated'] },
  ListResponse: { pods: [1, 'PodResources', 'repeated'] },
  GetRequest: { name: [1, 'string'], namespace: [2, 'string'] },
  GetResponse: { pod: [1, 'PodResources'] },
  AllocatableResponse: {
    devices: [1, 'ResourceDevices', 'repeated'],
    cpus: [2, 'int64', 'repeated'],
    memory: [3, 'ContainerMemory', 'repeated'],
  },
  // dra/v1 and dra/v1beta1.
  Claim: { namespace: [1, 'string'], uid: [2, 'string'], name: [3, 'string'] },
  ClaimsRequest: { claims: [1, 'Claim', 'repeated'] },
  PreparedDevice: {
    requests: [1, 'string', 'repeated'],
    pool: [2, 'string'],
    device: [3, 'string'],
    cdi: [4, 'string', 'repeated'],
  },
  Prepared: { devices: [1, 'PreparedDevice', 'repeated'], error: [2, 'string'] },
  PrepareResponse: { claims: [1, 'Prepared', 'map'] },
  Unprepared: { error: [1, 'string'] },
  UnprepareResponse: { claims: [1, 'Unprepared', 'map'] },
  // csi.v1.
  Segments: { segments: [1, 'string', 'map'] },
  NodeInfo: { nodeId: [1, 'string'], volumesMax: [2, 'int64'], topology: [3, 'Segments'] },
  RpcCapability: { type: [1, 'int32'] },
  Capability: { rpc: [1, 'RpcCapability'] },
  Capabilities: { capabilities: [1, 'Capability', 'repeated'] },
  MountUse: { fsType: [1, 'string'], flags: [2, 'string', 'repeated'], group: [3, 'string'] },
  AccessMode: { mode: [1, 'int32'] },
  VolumeUse: { block: [1, 'Empty'], mount: [2, 'MountUse'], accessMode: [3, 'AccessMode'] },
  StageRequest: {
    volumeId: [1, 'string'],
    publishContext: [2, 'string', 'map'],
    stagingPath: [3, 'string'],
    use: [4, 'VolumeUse'],
    secrets: [5, 'string', 'map'],
    attributes: [6, 'string', 'map'],
  },
  PublishRequest: {
    volumeId: [1, 'string'],
    publishContext: [2, 'string', 'map'],
    stagingPath: [3, 'string'],
    targetPath: [4, 'string'],
    use: [5, 'VolumeUse'],
    readOnly: [6, 'bool'],
    secrets: [7, 'string', 'map'],
    attributes: [8, 'string', 'map'],
  },
  PathRequest: { volumeId: [1, 'string'], path: [2, 'string'] },
  Range: { bytes: [1, 'int64'] },
  ExpandRequest: {
    volumeId: [1, 'string'],
    volumePath: [2, 'string'],
    range: [3, 'Range'],
    stagingPath: [4, 'string'],
    use: [5, 'VolumeUse'],
    secrets: [6, 'string', 'map'],
  },
  ExpandResponse: { bytes: [1, 'int64'] },
  Usage: { available: [1, 'int64'], total: [2, 'int64'], used: [3, 'int64'], unit: [4, 'int32'] },
  Condition: { abnormal: [1, 'bool'], message: [2, 'string'] },
  StatsResponse: { usage: [1, 'Usage', 'repeated'], condition: [2, 'Condition'] },
};

type MethodSpec = readonly [request: string, response: string, stream?: 'stream'];

const claimMethods = {
  NodePrepareResources: ['ClaimsRequest', 'PrepareResponse'],
  NodeUnprepareResources: ['ClaimsRequest', 'UnprepareResponse'],
} as const;

/** Methods by service and name. */
export const services: Readonly<Record<string, Readonly<Record<string, MethodSpec>>>> = {
  'pluginregistration.Registration': {
    GetInfo: ['Empty', 'PluginInfo'],
    NotifyRegistrationStatus: ['RegistrationStatus', 'Empty'],
  },
  'v1beta1.Registration': { Register: ['RegisterRequest', 'Empty'] },
  'v1beta1.DevicePlugin': {
    GetDevicePluginOptions: ['Empty', 'DeviceOptions'],
    ListAndWatch: ['Empty', 'Devices', 'stream'],
    GetPreferredAllocation: ['PreferredRequest', 'PreferredResponse'],
    Allocate: ['AllocateRequest', 'AllocateResponse'],
    PreStartContainer: ['DeviceIds', 'Empty'],
  },
  'v1.PodResourcesLister': {
    List: ['Empty', 'ListResponse'],
    Get: ['GetRequest', 'GetResponse'],
    GetAllocatableResources: ['Empty', 'AllocatableResponse'],
  },
  'k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin': claimMethods,
  'v1beta1.DRAPlugin': claimMethods,
  'csi.v1.Node': {
    NodeGetInfo: ['Empty', 'NodeInfo'],
    NodeGetCapabilities: ['Empty', 'Capabilities'],
    NodeStageVolume: ['StageRequest', 'Empty'],
    NodeUnstageVolume: ['PathRequest', 'Empty'],
    NodePublishVolume: ['PublishRequest', 'Empty'],
    NodeUnpublishVolume: ['PathRequest', 'Empty'],
    NodeGetVolumeStats: ['PathRequest', 'StatsResponse'],
    NodeExpandVolume: ['ExpandRequest', 'ExpandResponse'],
  },
};

const root = protobuf.Root.fromJSON({
  nested: Object.fromEntries(
    Object.entries(messages).map(([name, fields]) => [
      name,
      {
        fields: Object.fromEntries(
          Object.entries(fields).map(([field, [id, type, rule]]) => [
            field,
            rule === 'map' ? { keyType: 'string', type, id } : { type, id, ...(rule === undefined ? {} : { rule }) },
          ]),
        ),
      },
    ]),
  ),
});

/** A message's bytes. */
export function encode(message: string, value: object): Buffer {
  const type = root.lookupType(message);
  return Buffer.from(type.encode(type.fromObject(value)).finish());
}

/** The object of a message's bytes; what is absent is absent. */
export function decode(message: string, bytes: Buffer): object {
  const type = root.lookupType(message);
  return type.toObject(type.decode(bytes), { longs: Number });
}
