/** One CSI driver at its socket: its node service. What is rejected is a `PluginError`, or an error of the file system where its folder is not there. Upstream counterpart: kubelet `volume/csi/csi_client.go`. */
import type { Clock } from '#pkg/base/clock.ts';
import { type Fields, framed } from '#pkg/grpc/message.ts';
import { PluginClient } from '../plugins/plugin-client.ts';
import type { VolumeUsage } from '../volumes/volume-usage.ts';
import {
  type CsiCapability,
  type CsiExpand,
  type CsiNodeInfo,
  type CsiPublish,
  type CsiStage,
  capabilitiesOf,
  expandRequest,
  nodeInfoOf,
  pathRequest,
  publishRequest,
  stageRequest,
  statsRequest,
  usageOf,
} from './csi-messages.ts';

/** Source: `csiTimeout`. */
const callTimeoutMs = 2 * 60_000;

const empty: Uint8Array = framed(() => {});

/** Where a driver is, and how it says so. */
export interface CsiDriverPlace {
  readonly socketPath: string;
  /** As the driver says it, by which it is told paths. */
  readonly endpoint: string;
  readonly clock: Clock;
}

/** A driver that has registered. */
export class CsiDriver {
  readonly endpoint: string;
  readonly #client: PluginClient;

  private constructor(endpoint: string, client: PluginClient) {
    this.endpoint = endpoint;
    this.#client = client;
  }

  /** Rejects where the socket's folder is not there. */
  static async at({ socketPath, endpoint, clock }: CsiDriverPlace): Promise<CsiDriver> {
    return new CsiDriver(endpoint, await PluginClient.at(socketPath, clock));
  }

  info(signal: AbortSignal): Promise<CsiNodeInfo> {
    return this.#call('NodeGetInfo', empty, nodeInfoOf, signal);
  }

  capabilities(signal: AbortSignal): Promise<ReadonlySet<CsiCapability>> {
    return this.#call('NodeGetCapabilities', empty, capabilitiesOf, signal);
  }

  stage(stage: CsiStage, signal: AbortSignal): Promise<void> {
    return this.#call('NodeStageVolume', stageRequest(stage), nothing, signal);
  }

  unstage(volumeId: string, stagingPath: string, signal: AbortSignal): Promise<void> {
    return this.#call('NodeUnstageVolume', pathRequest(volumeId, stagingPath), nothing, signal);
  }

  publish(publish: CsiPublish, signal: AbortSignal): Promise<void> {
    return this.#call('NodePublishVolume', publishRequest(publish), nothing, signal);
  }

  unpublish(volumeId: string, targetPath: string, signal: AbortSignal): Promise<void> {
    return this.#call('NodeUnpublishVolume', pathRequest(volumeId, targetPath), nothing, signal);
  }

  stats(volumeId: string, volumePath: string, signal: AbortSignal): Promise<VolumeUsage> {
    return this.#call('NodeGetVolumeStats', statsRequest(volumeId, volumePath), usageOf, signal);
  }

  expand(expand: CsiExpand, signal: AbortSignal): Promise<void> {
    return this.#call('NodeExpandVolume', expandRequest(expand), nothing, signal);
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  #call<T>(method: string, message: Uint8Array, read: (answer: Fields) => T, signal: AbortSignal): Promise<T> {
    return this.#client.call(`/csi.v1.Node/${method}`, { message, read, timeoutMs: callTimeoutMs, signal });
  }
}

function nothing(): void {}
