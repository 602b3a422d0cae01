/**
 * The plugins of one kubelet: finds them, takes them in, and asks them for what pods want of them. Types of plugins that register themselves are the lines of `handlers`. What
 * the kubelet has begun with them is in its folder, so that the next one goes on with it.
 */
import { join } from 'node:path';
import type { Container, Node, Pod, ResourceStatus } from '#pkg/api/types/core-v1.ts';
import { aborted } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Client } from '#pkg/client/client.ts';
import { runTogether } from '#pkg/component/signals.ts';
import { ClaimLedger } from './claims/claim-ledger.ts';
import { ClaimManager } from './claims/claim-manager.ts';
import { ClaimPlugins } from './claims/claim-plugins.ts';
import { CsiDrivers } from './csi/csi-drivers.ts';
import { CsiVolumes } from './csi/csi-volumes.ts';
import type { DeviceAmounts } from './devices/device-ledger.ts';
import { DeviceManager } from './devices/device-manager.ts';
import { deviceRecordName, recordOf, recordValue } from './devices/device-record.ts';
import { devicePluginHandler, serveDeviceRegistry } from './devices/device-registry.ts';
import type { Pinning } from './pinning/pinning.ts';
import { keptValue } from './plugins/kept-value.ts';
import { kubeletFolders } from './plugins/kubelet-folder.ts';
import type { AllocateOptions, PluginNeed, PluginParts, PodPlugins } from './plugins/plugin-needs.ts';
import { PluginWatcher } from './plugins/plugin-watcher.ts';
import { type ListedResources, servePodResources } from './pod-resources/pod-resources-server.ts';
import type { NumaResource } from './topology/topology-manager.ts';
import type { DriverVolumes } from './volumes/driver-volumes.ts';

/** Source: `draManagerStateFileName`. */
const claimRecordName = 'dra_manager_state';

/** What a run of the kubelet gives. */
export interface NodePluginsDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly client: Client;
  readonly nodeName: string;
  /** Aborted when the kubelet stops. */
  readonly stopping: AbortSignal;
  /** The pods of the node. */
  pods(): readonly Pod[];
  /** Nothing of the pod runs any more, nor will. */
  isOver(podUid: string): boolean;
  /** It is gone from the API, and ends. */
  isLeaving(podUid: string): boolean;
  /** What containers have of processors and memory, and near to what their devices are to be. */
  pinning(): Pick<Pinning, 'cpusOf' | 'givable' | 'isNearOnly' | 'memoryOf' | 'nearOf'>;
  /** The node has other devices, or other volumes in use. */
  onNode(): void;
  /** Something of what the pod has has changed. */
  onPod(podUid: string): void;
  /** The node as it was seen last. */
  node(): Node | undefined;
  /** Gives the contents of a volume to a group. */
  giveTo(path: string, group: number): Promise<void>;
  /** A volume that the pod waits for may be had. */
  onVolumes(podUid: string): void;
  record(pod: Pod, event: { readonly reason: string; readonly message: string }): void;
  background(work: () => Promise<void>): void;
}

/** The plugins of one run of a kubelet, by the files in its folder. */
export class NodePlugins implements PodPlugins {
  readonly #deps: NodePluginsDeps;
  readonly #folder: string;
  readonly #devices: DeviceManager;
  readonly #claimLedger = new ClaimLedger();
  readonly #claimPlugins: ClaimPlugins;
  readonly #claims: ClaimManager;
  readonly #csiDrivers: CsiDrivers;
  readonly #csi: CsiVolumes;

  constructor(deps: NodePluginsDeps, folder: string) {
    this.#deps = deps;
    this.#folder = folder;
    const devices = keptValue(join(folder, kubeletFolders.devicePlugins, deviceRecordName));
    this.#devices = new DeviceManager({
      ...deps,
      folder,
      onAmounts: () => deps.onNode(),
      nearOf: (podUid, container) => deps.pinning().nearOf(podUid, container),
      isNearOnly: () => deps.pinning().isNearOnly,
      record: recordOf(devices.read()),
      save: (record) => devices.write(recordValue(record)),
    });
    const claims = keptValue(join(folder, claimRecordName));
    this.#claimLedger.restore(claims.read());
    this.#claimPlugins = new ClaimPlugins(deps);
    this.#claims = new ClaimManager({
      ...deps,
      ledger: this.#claimLedger,
      plugins: this.#claimPlugins,
      save: (record) => claims.write(record),
    });
    this.#csiDrivers = new CsiDrivers({ ...deps, onDriver: (name) => this.#csi.driverCame(name) });
    this.#csi = new CsiVolumes({
      ...deps,
      folder,
      driver: (name) => this.#csiDrivers.get(name),
      onInUse: () => deps.onNode(),
      onPod: (podUid) => deps.onVolumes(podUid),
    });
  }

  /** Volumes of CSI drivers. */
  get volumes(): DriverVolumes {
    return this.#csi;
  }

  /** Such volumes that the node has in use. */
  volumesInUse(): readonly string[] {
    return this.#csi.inUse();
  }

  /** The node has changed in the API. */
  nodeChanged(node: Node): void {
    this.#csi.nodeChanged(node);
  }

  /** What the node has of devices, beside what its settings say. */
  amounts(): DeviceAmounts {
    return this.#devices.amounts();
  }

  /** All pods that there were before have been seen: what is not known then is gone. */
  settle(): void {
    this.#devices.settle();
    this.#claims.settle();
    this.#csi.settle();
  }

  /** Takes plugins in until `signal` is aborted; then none is asked any more. */
  async run(signal: AbortSignal): Promise<void> {
    const { log } = this.#deps;
    const handlers = {
      CSIPlugin: this.#csiDrivers,
      DevicePlugin: devicePluginHandler(this.#devices),
      DRAPlugin: this.#claimPlugins,
    };
    const watcher = new PluginWatcher({
      ...this.#deps,
      folder: this.#folder,
      registry: kubeletFolders.pluginsRegistry,
      handlers,
    });
    const sockets = (name: string): string => join(this.#folder, name);
    const parts = {
      watcher: (inner: AbortSignal) => watcher.run(inner),
      devices: (inner: AbortSignal) => serveDeviceRegistry(sockets(kubeletFolders.devicePlugins), this.#devices, inner),
      podResources: (inner: AbortSignal) =>
        servePodResources(join(sockets(kubeletFolders.podResources), 'kubelet.sock'), this.#listing(), inner),
      claims: (inner: AbortSignal) => this.#claims.run(inner),
      csiNode: (inner: AbortSignal) => this.#csiDrivers.announce(inner),
      csiVolumes: (inner: AbortSignal) => this.#csi.run(inner),
      slices: (inner: AbortSignal) => this.#claimPlugins.wipe(undefined, inner),
    };
    // One that cannot be had is said, and the node goes on with the others.
    const each = Object.entries(parts).map(([part, run]) => ({
      run: async (inner: AbortSignal) => {
        try {
          await run(inner);
        } catch (error) {
          log.error('Plugins of a kind cannot be had', { part, error });
        }
        await aborted(inner);
      },
    }));
    await runTogether(each, signal);
    await Promise.all([this.#devices.close(), this.#claimPlugins.close(), this.#csiDrivers.close()]);
  }

  /** What a pod wants of devices that are near to some memory. */
  wishedBy(pod: Pod): readonly NumaResource[] {
    return this.#devices.wishedBy(pod);
  }

  allocate(pod: Pod, options: AllocateOptions): Promise<PluginNeed> {
    return this.#devices.allocate(pod, options);
  }

  prepare(pod: Pod, signal: AbortSignal): Promise<void> {
    return this.#claims.prepare(pod, signal);
  }

  async partsFor(pod: Pod, container: Container, signal: AbortSignal): Promise<PluginParts> {
    const ofDevices = await this.#devices.partsFor(pod, container, signal);
    const ofClaims = this.#claims.cdiDevicesFor(pod, container);
    return { ...ofDevices, cdiDevices: [...new Set([...ofDevices.cdiDevices, ...ofClaims])] };
  }

  unprepare(pod: Pod, signal: AbortSignal): Promise<void> {
    return this.#claims.unprepare(pod, signal);
  }

  over(podUid: string): void {
    this.#devices.over(podUid);
  }

  statusOf(podUid: string, container: string): readonly ResourceStatus[] {
    return this.#devices.statusOf(podUid, container);
  }

  /** What the node tells of what is whose. */
  #listing() {
    const { pinning, pods } = this.#deps;
    return {
      pods,
      allocatable: () => ({
        devices: [...this.#devices.usable()].flatMap(([resource, devices]) =>
          devices.map(({ id, numaNodes }) => ({ resource, ids: [id], numaNodes })),
        ),
        ...pinning().givable,
      }),
      resourcesOf: (pod: Pod, container: string): ListedResources => {
        const podUid = pod.metadata?.uid ?? '';
        const devices = this.#devices
          .givenTo(podUid)
          .filter((one) => one.container === container)
          .flatMap(({ resource, ids }) =>
            ids.map((id) => ({ resource, ids: [id], numaNodes: this.#devices.device(resource, id)?.numaNodes ?? [] })),
          );
        return {
          devices,
          cpus: pinning().cpusOf(podUid, container),
          memory: pinning().memoryOf(podUid, container),
          claims: this.#claims.listedFor(pod, container),
        };
      },
    };
  }
}
