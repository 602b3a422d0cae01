/** One device plugin at its socket: its devices as they change, and what it does for containers that get some. Upstream counterpart: kubelet `cm/devicemanager` `endpoint`. */
import type { Clock } from '#pkg/base/clock.ts';
import type { GrpcStream } from '#pkg/grpc/grpc-connection.ts';
import { PluginClient } from '../plugins/plugin-client.ts';
import {
  allocateRequest,
  allocationOf,
  type DevicePluginOptions,
  devicesOf,
  emptyMessage,
  optionsOf,
  type PluginDevice,
  preferredOf,
  preferredRequest,
  preStartRequest,
} from './device-messages.ts';

const service = '/v1beta1.DevicePlugin';

/** How long it may take to say what it can. */
const optionsTimeoutMs = 10_000;
/** How long it may take to make devices ready, where upstream waits without end. */
const allocateTimeoutMs = 120_000;
/** Source: `KubeletPreStartContainerRPCTimeoutInSecs`. */
const preStartTimeoutMs = 30_000;

/** Told of its devices. */
export interface DeviceSink {
  /** All that there are now. */
  devices(devices: readonly PluginDevice[]): void;
  /** It tells no more; called once, and nothing after it. */
  gone(): void;
}

/** Where a plugin is. */
export interface DevicePluginPlace {
  readonly socketPath: string;
  readonly clock: Clock;
}

/** A plugin that has said what it can. */
export class DevicePlugin {
  readonly #client: PluginClient;
  readonly #options: DevicePluginOptions;
  #stream: Pick<GrpcStream, 'close'> | undefined;

  private constructor(client: PluginClient, options: DevicePluginOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Rejects with `PluginError` where it does not answer, and with an error of the file system where nothing is. */
  static async connect({ socketPath, clock }: DevicePluginPlace): Promise<DevicePlugin> {
    const client = await PluginClient.at(socketPath, clock);
    try {
      const options = await client.call(`${service}/GetDevicePluginOptions`, {
        message: emptyMessage,
        timeoutMs: optionsTimeoutMs,
        read: optionsOf,
      });
      return new DevicePlugin(client, options);
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  /** Tells of its devices from now on. */
  watch(sink: DeviceSink): void {
    this.#stream = this.#client.follow(`${service}/ListAndWatch`, emptyMessage, {
      onMessage: (message) => sink.devices(devicesOf(message)),
      onEnd: () => sink.gone(),
    });
  }

  /** Makes devices ready for a container; resolves with what it says of that. Rejects with `PluginError`. */
  async allocate(ids: readonly string[], signal: AbortSignal): Promise<Buffer> {
    const allocation = await this.#client.call(`${service}/Allocate`, {
      message: allocateRequest(ids),
      timeoutMs: allocateTimeoutMs,
      signal,
      read: allocationOf,
    });
    if (allocation === undefined) throw new Error('no containers return in allocation response');
    return allocation;
  }

  /** Which it would take; none where it does not say. Rejects with `PluginError`. */
  async preferred(
    wish: { readonly available: readonly string[]; readonly mustInclude: readonly string[]; readonly count: number },
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    if (!this.#options.prefersDevices) return [];
    return this.#client.call(`${service}/GetPreferredAllocation`, {
      message: preferredRequest(wish),
      timeoutMs: allocateTimeoutMs,
      signal,
      read: preferredOf,
    });
  }

  /** Tells it, where it wants to be told, that a container with these devices is about to start. Rejects with `PluginError`. */
  async preStart(ids: readonly string[], signal: AbortSignal): Promise<void> {
    if (!this.#options.preStartRequired) return;
    await this.#client.call(`${service}/PreStartContainer`, {
      message: preStartRequest(ids),
      timeoutMs: preStartTimeoutMs,
      signal,
      read: () => {},
    });
  }

  /** Asks it for nothing any more; its sink is not called again. */
  async close(): Promise<void> {
    this.#stream?.close();
    await this.#client.close();
  }
}
