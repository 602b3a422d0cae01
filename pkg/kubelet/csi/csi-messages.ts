/** Messages of the node service of CSI drivers. Pure. Source: `container-storage-interface/spec` `csi.proto`, package `csi.v1`. */
import { type Fields, framed, type MessageWriter } from '#pkg/grpc/message.ts';
import type { VolumeUsage } from '../volumes/volume-usage.ts';

/** Names and values. */
export type Texts = Readonly<Record<string, string>>;

/** What a driver says of the node. */
export interface CsiNodeInfo {
  readonly nodeId: string;
  /** Volumes that the node can have of it; 0 where that is not known. */
  readonly volumesMax: number;
  /** Where the node is, as far as the driver looks at it. */
  readonly topology: Texts;
}

/** What a driver's node service can do. */
export type CsiCapability =
  | 'expand'
  | 'singleNodeMultiWriter'
  | 'stage'
  | 'stats'
  | 'volumeCondition'
  | 'volumeMountGroup';

const capabilityNumbers: Readonly<Record<number, CsiCapability>> = {
  1: 'stage',
  2: 'stats',
  3: 'expand',
  4: 'volumeCondition',
  5: 'singleNodeMultiWriter',
  6: 'volumeMountGroup',
};

/** How a volume is used. */
export interface CsiUse {
  /** As a device; then neither file system nor options nor group are said. */
  readonly isBlock: boolean;
  readonly fsType: string;
  readonly mountOptions: readonly string[];
  /** Of API: `ReadWriteOnce`, … */
  readonly accessMode: string;
  /** The driver tells one writer of a node from several. */
  readonly tellsWriters: boolean;
  /** Whom the volume is given to, by the driver. */
  readonly group?: number | undefined;
}

/** A volume that is to be made ready on the node. */
export interface CsiStage {
  readonly volumeId: string;
  readonly publishContext: Texts;
  readonly stagingPath: string;
  readonly use: CsiUse;
  readonly secrets: Texts;
  readonly attributes: Texts;
}

/** A volume that is to be there for a pod. */
export interface CsiPublish extends Omit<CsiStage, 'stagingPath'> {
  /** Where it was made ready; `''` for a driver that does no such thing. */
  readonly stagingPath: string;
  readonly targetPath: string;
  readonly readOnly: boolean;
}

/** A volume that has become larger. */
export interface CsiExpand {
  readonly volumeId: string;
  readonly volumePath: string;
  readonly stagingPath: string;
  readonly bytes: number;
  readonly use: CsiUse;
  readonly secrets: Texts;
}

/** Of `NodeGetInfo`. */
export function nodeInfoOf(answer: Fields): CsiNodeInfo {
  const segments = [...answer.message(3).map(1)].map(([name, value]) => [name, value.toString('utf8')]);
  return { nodeId: answer.string(1), volumesMax: answer.number(2), topology: Object.fromEntries(segments) };
}

/** Of `NodeGetCapabilities`. What is not known is passed over. */
export function capabilitiesOf(answer: Fields): ReadonlySet<CsiCapability> {
  const numbers = answer.messages(1).map((capability) => capability.message(1).number(1));
  return new Set(numbers.flatMap((number) => capabilityNumbers[number] ?? []));
}

/** For `NodeStageVolume`. */
export function stageRequest(stage: CsiStage): Uint8Array {
  return framed((message) => {
    message.string(1, stage.volumeId);
    message.map(2, Object.entries(stage.publishContext));
    message.string(3, stage.stagingPath);
    message.message(4, () => writeUse(message, stage.use));
    message.map(5, Object.entries(stage.secrets));
    message.map(6, Object.entries(stage.attributes));
  });
}

/** For `NodePublishVolume`. */
export function publishRequest(publish: CsiPublish): Uint8Array {
  return framed((message) => {
    message.string(1, publish.volumeId);
    message.map(2, Object.entries(publish.publishContext));
    message.string(3, publish.stagingPath);
    message.string(4, publish.targetPath);
    message.message(5, () => writeUse(message, publish.use));
    message.flag(6, publish.readOnly);
    message.map(7, Object.entries(publish.secrets));
    message.map(8, Object.entries(publish.attributes));
  });
}

/** For `NodeUnpublishVolume` and `NodeUnstageVolume`. */
export function pathRequest(volumeId: string, path: string): Uint8Array {
  return framed((message) => {
    message.string(1, volumeId);
    message.string(2, path);
  });
}

/** For `NodeGetVolumeStats`. */
export function statsRequest(volumeId: string, volumePath: string): Uint8Array {
  return pathRequest(volumeId, volumePath);
}

/** Of `NodeGetVolumeStats`. */
export function usageOf(answer: Fields): VolumeUsage {
  const amounts = new Map(
    answer
      .messages(1)
      .map((usage) => [usage.number(4), { available: usage.number(1), total: usage.number(2), used: usage.number(3) }]),
  );
  const [bytes, inodes] = [amounts.get(1), amounts.get(2)];
  const [condition] = answer.messages(2);
  return {
    ...(bytes === undefined ? {} : { bytes }),
    ...(inodes === undefined ? {} : { inodes }),
    ...(condition === undefined ? {} : { condition: { isAbnormal: condition.flag(1), message: condition.string(2) } }),
  };
}

/** For `NodeExpandVolume`. */
export function expandRequest(expand: CsiExpand): Uint8Array {
  return framed((message) => {
    message.string(1, expand.volumeId);
    message.string(2, expand.volumePath);
    message.message(3, () => message.number(1, expand.bytes));
    message.string(4, expand.stagingPath);
    message.message(5, () => writeUse(message, expand.use));
    message.map(6, Object.entries(expand.secrets));
  });
}

/** By access mode: for drivers that do not tell writers of a node apart, and for those that do. Source: kubelet `csi_client.go` `asCSIAccessModeV1`. */
const modeNumbers: Readonly<Record<string, readonly [plain: number, telling: number]>> = {
  ReadWriteOnce: [1, 7],
  ReadOnlyMany: [3, 3],
  ReadWriteMany: [5, 5],
  ReadWriteOncePod: [1, 6],
};

function writeUse(message: MessageWriter, use: CsiUse): void {
  if (use.isBlock) message.message(1, () => {});
  else
    message.message(2, () => {
      message.string(1, use.fsType);
      message.strings(2, use.mountOptions);
      message.string(3, use.group === undefined ? undefined : String(use.group));
    });
  const [plain, telling] = modeNumbers[use.accessMode] ?? [0, 0];
  message.message(3, () => message.number(1, use.tellsWriters ? telling : plain));
}
