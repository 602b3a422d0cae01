/**
 * Volumes of CSI drivers for the pods of a node: waits until they are attached, has them made ready on the node once and shown to each pod, and gives them back in the opposite
 * order. Invariants: what may be there is written down before its driver is asked, so that the next kubelet gives it back; of one volume one thing is done at a time.
 * Upstream counterpart: kubelet `volume/csi`, and of `volumemanager` what it does for such volumes.
 */
import { attachmentFor, csiDeviceName, needsAttachment } from '#pkg/api/storage/attachment.ts';
import type { Node, PersistentVolume, Pod, SecretReference, Volume } from '#pkg/api/types/core-v1.ts';
import { csiDrivers, volumeAttachments } from '#pkg/api/types/refs.ts';
import type { CSIDriver } from '#pkg/api/types/storage-v1.ts';
import { unlessGone } from '#pkg/apimachinery/status-error.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { TurnsByKey } from '#pkg/base/turns.ts';
import { WakeUp } from '#pkg/base/wake-up.ts';
import type { Client } from '#pkg/client/client.ts';
import { pathAsNamed } from '../plugins/kubelet-folder.ts';
import { PluginError } from '../plugins/plugin-client.ts';
import type { DriverVolumes, PersistentUse } from '../volumes/driver-volumes.ts';
import { isOfGroup } from '../volumes/group-owner.ts';
import { VolumeError } from '../volumes/payload.ts';
import type { VolumeMounted } from '../volumes/volume-mounted.ts';
import type { VolumeUsage } from '../volumes/volume-usage.ts';
import type { KnownDriver } from './csi-drivers.ts';
import { expandIfLarger } from './csi-expansion.ts';
import type { CsiUse, Texts } from './csi-messages.ts';
import {
  type CsiPlace,
  type CsiVolumeData,
  dataOf,
  ephemeralHandle,
  type FoundVolume,
  foundVolumes,
  isBlockDevice,
  isSameVolume,
  stagedVolumes,
  stagingPlace,
  takeAway,
  takeAwayPod,
  targetPlace,
  volumesOfPod,
  writeDown,
  writtenIn,
} from './csi-places.ts';
import { secretsOf } from './csi-secrets.ts';
import { csiTokens } from './csi-tokens.ts';
import { CsiUsers } from './csi-users.ts';
import { groupGiver, type LifecycleMode, modeProblem, podInfo, useOf } from './csi-wishes.ts';

/** How often what changes without a word is looked at: sizes of volumes, tokens, what pods that are gone have left. */
const lookMs = 60_000;

/** What they work with. */
export interface CsiVolumesDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly client: Client;
  readonly nodeName: string;
  /** The kubelet's folder. */
  readonly folder: string;
  /** Aborted when the kubelet stops. */
  readonly stopping: AbortSignal;
  driver(name: string): KnownDriver | undefined;
  /** The node as it was seen last. */
  node(): Node | undefined;
  /** Nothing of the pod runs any more, nor will. */
  isOver(podUid: string): boolean;
  /** Gives the contents of a volume to a group. */
  giveTo(path: string, group: number): Promise<void>;
  /** Which volumes the node has in use has changed. */
  onInUse(): void;
  /** A volume that the pod waits for may be had. */
  onPod(podUid: string): void;
  record(pod: Pod, event: { readonly reason: string; readonly message: string }): void;
}

/** A volume of a pod, as far as its kinds do not differ. */
interface Wanted {
  readonly pod: Pod;
  readonly known: KnownDriver;
  readonly driverName: string;
  readonly handle: string;
  readonly object: CSIDriver | undefined;
  readonly mode: LifecycleMode;
  readonly specName: string;
  readonly use: CsiUse;
  readonly attributes: Texts;
  readonly publishContext: Texts;
  /** Where it is made ready for all pods; absent for a driver that does no such thing. */
  readonly staging: CsiPlace | undefined;
  readonly secretRef: SecretReference | undefined;
  readonly isReadOnly: boolean;
  readonly accessModes: readonly string[] | undefined;
}

/** The volumes of one kubelet's pods. */
export class CsiVolumes implements DriverVolumes {
  readonly #deps: CsiVolumesDeps;
  readonly #turns = new TurnsByKey();
  /** What was made ready, or shown to its pod, at a path since the kubelet started. */
  readonly #shown = new Map<string, CsiVolumeData>();
  /** Volumes that pods use, by the names that nodes have for them. */
  readonly #inUse = new CsiUsers();
  /** Pods that wait for a driver, or for a volume to be attached, by the name of that. */
  readonly #waiting = new CsiUsers();
  readonly #look = new WakeUp();
  #isSettled = false;

  constructor(deps: CsiVolumesDeps) {
    this.#deps = deps;
  }

  /** Volumes that the node has in use: they are not to be detached. */
  inUse(): readonly string[] {
    return this.#inUse.names;
  }

  /** All pods that there were before have been seen. */
  settle(): void {
    this.#isSettled = true;
    this.#look.wake();
  }

  /** A driver has come. */
  driverCame(name: string): void {
    this.#wake(name);
    this.#look.wake();
  }

  /** The node has changed in the API: volumes may have been attached. */
  nodeChanged({ status }: Node): void {
    for (const { name } of status?.volumesAttached ?? []) this.#wake(name);
  }

  /** Gives back, until `signal` is aborted, what pods have left that are gone. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, folder, log } = this.#deps;
    for (const { driverName: driver, volumeHandle, volumeLifecycleMode, podUid } of await foundVolumes(folder))
      if (volumeLifecycleMode === 'Persistent') this.#inUse.add(csiDeviceName(driver, volumeHandle), podUid);
    this.#deps.onInUse();
    while (!signal.aborted) {
      try {
        if (this.#isSettled) await this.#giveBackOrphans();
      } catch (error) {
        if (!signal.aborted) log.warn('Volumes of pods that are gone not given back, will try again', { error });
      }
      await this.#look.wait(clock, lookMs, signal);
    }
  }

  async mount({ pod, volume, claim, isReadOnly }: PersistentUse): Promise<VolumeMounted> {
    const source = volume.spec?.csi;
    if (source === undefined) throw new VolumeError(`volume ${volume.metadata?.name} is not of a CSI driver`);
    const { driver: driverName, volumeHandle } = source;
    const { known, object } = await this.#driverFor(driverName, pod, 'Persistent');
    const publishContext = await this.#attachedContext(volume, object, pod);
    const accessModes = volume.spec?.accessModes;
    const isBlock = volume.spec?.volumeMode === 'Block';
    const use = useOf(known.capabilities, {
      isBlock,
      fsType: source.fsType,
      accessMode: accessModes?.[0],
      mountOptions: volume.spec?.mountOptions,
    });
    const isStaged = known.capabilities.has('stage');
    const own = {
      driverName,
      handle: volumeHandle,
      specName: volume.metadata?.name ?? '',
      mode: 'Persistent',
      use,
    } as const;
    const wanted: Wanted = {
      ...{ ...own, pod, known, object, publishContext, isReadOnly, accessModes },
      staging: isStaged ? stagingPlace(this.#deps.folder, dataOf(own)) : undefined,
      attributes: source.volumeAttributes ?? {},
      secretRef: source.nodePublishSecretRef,
    };
    return this.#inTurn(wanted, async () => {
      if (isStaged) await this.#stage(wanted, source.nodeStageSecretRef);
      const mounted = await this.#show(wanted);
      if (!known.capabilities.has('expand')) return mounted;
      const secretRef = source.nodeExpandSecretRef;
      await expandIfLarger(
        { client: this.#deps.client, driver: known.driver, stopping: this.#deps.stopping },
        {
          ...{ volume, claim, use },
          volumePath: this.#named(wanted, mounted.path),
          stagingPath: this.#stagingPath(wanted),
          secrets: async () => secretsOf(this.#deps.client, secretRef),
          done: (event) => this.#deps.record(pod, event),
        },
      );
      return { ...mounted, renewAtMs: this.#deps.clock.nowMs() + lookMs };
    });
  }

  async mountOwn(pod: Pod, { name, csi }: Volume): Promise<VolumeMounted> {
    const { driver: driverName = '', fsType, readOnly = false, volumeAttributes, nodePublishSecretRef } = csi ?? {};
    const { known, object } = await this.#driverFor(driverName, pod, 'Ephemeral');
    const { namespace = '', uid = '' } = pod.metadata ?? {};
    const secretName = nodePublishSecretRef?.name;
    const wanted: Wanted = {
      ...{ pod, known, driverName, object, mode: 'Ephemeral', specName: name, isReadOnly: readOnly },
      ...{ publishContext: {}, staging: undefined, accessModes: undefined, attributes: volumeAttributes ?? {} },
      handle: ephemeralHandle(uid, name),
      use: useOf(known.capabilities, { isBlock: false, fsType, accessMode: 'ReadWriteOnce', mountOptions: [] }),
      secretRef: secretName === undefined ? undefined : { name: secretName, namespace },
    };
    return this.#inTurn(wanted, () => this.#show(wanted));
  }

  async usageOf(path: string): Promise<VolumeUsage | undefined> {
    const shown = this.#shown.get(path);
    const known = this.#deps.driver(shown?.driverName ?? '');
    if (shown === undefined || known?.capabilities.has('stats') !== true) return undefined;
    return known.driver.stats(shown.volumeHandle, this.#named({ known }, path), this.#deps.stopping);
  }

  async unmount(podUid: string): Promise<void> {
    const { folder } = this.#deps;
    this.#waiting.forget(podUid);
    const all = await volumesOfPod(folder, podUid);
    for (const found of all) await this.#inTurn({ ...found, handle: found.volumeHandle }, () => this.#giveBack(found));
    if (all.length > 0) await takeAwayPod(folder, podUid);
  }

  async podUids(): Promise<readonly string[]> {
    return [...new Set((await foundVolumes(this.#deps.folder)).map(({ podUid }) => podUid))];
  }

  /** The driver, and what its object says. Rejects where it is not there, or has no such volumes. */
  async #driverFor(name: string, { metadata }: Pod, mode: LifecycleMode) {
    const known = this.#deps.driver(name);
    if (known === undefined) {
      this.#waiting.add(name, metadata?.uid ?? '');
      throw new VolumeError(`driver name ${name} not found in the list of registered CSI drivers`);
    }
    const object = await unlessGone(this.#deps.client.resource(csiDrivers).get(name));
    const problem = modeProblem(name, object, mode);
    if (problem !== undefined) throw new VolumeError(problem);
    return { known, object };
  }

  /** What whoever attached the volume says of that. Rejects until it is attached. */
  async #attachedContext(volume: PersistentVolume, object: CSIDriver | undefined, pod: Pod): Promise<Texts> {
    if (!needsAttachment(volume, object)) return {};
    const { client, node, nodeName } = this.#deps;
    const { driver = '', volumeHandle = '' } = volume.spec?.csi ?? {};
    const podUid = pod.metadata?.uid ?? '';
    const device = csiDeviceName(driver, volumeHandle);
    this.#inUse.add(device, podUid);
    this.#deps.onInUse();
    if (node()?.status?.volumesAttached?.some(({ name }) => name === device) !== true) {
      this.#waiting.add(device, podUid);
      throw new VolumeError(`volume ${volume.metadata?.name} is not attached according to node status`);
    }
    const name = attachmentFor(volume, nodeName).metadata?.name ?? '';
    const { status } = await client.resource(volumeAttachments).get(name);
    if (status?.attached !== true) throw new VolumeError(`volume attachment ${name} is not attached`);
    return status.attachmentMetadata ?? {};
  }

  /** Has a volume made ready on the node. Drivers do nothing where it is. */
  async #stage(wanted: Wanted, secretRef: SecretReference | undefined): Promise<void> {
    const { attributes, handle: volumeId, known, publishContext, staging, use } = wanted;
    if (staging === undefined || this.#shown.has(staging.path)) return;
    const secrets = await secretsOf(this.#deps.client, secretRef);
    const data = dataOf(wanted);
    await writeDown(staging, data, { isMade: true });
    const stage = { volumeId, publishContext, stagingPath: this.#stagingPath(wanted), use, secrets, attributes };
    await asked(known.driver.stage(stage, this.#deps.stopping));
    this.#shown.set(staging.path, data);
  }

  /** Has a volume shown to its pod, again where its driver wants that. */
  async #show(wanted: Wanted): Promise<VolumeMounted> {
    const { clock, folder } = this.#deps;
    const { object, pod, isReadOnly, use } = wanted;
    const data = dataOf(wanted);
    const place = targetPlace(folder, pod.metadata?.uid ?? '', data);
    const isRepeated = object?.spec.requiresRepublish === true;
    if (!this.#shown.has(place.path) || isRepeated) {
      await writeDown(place, data, { isMade: false });
      await this.#publish(wanted, place.path);
      if (use.isBlock && !(await isBlockDevice(place.path)))
        throw new VolumeError(`driver ${wanted.driverName} has shown no block device at ${place.path}`);
      this.#shown.set(place.path, data);
    }
    const renewal = isRepeated ? { renewAtMs: clock.nowMs() + lookMs } : {};
    return { path: place.path, isReadOnly, isBlock: use.isBlock, measure: 'driver', ...renewal };
  }

  async #publish(wanted: Wanted, at: string): Promise<void> {
    const { known, object, pod, mode, use, isReadOnly, accessModes } = wanted;
    const group = pod.spec?.securityContext?.fsGroup;
    const grouped = { isBlock: use.isBlock, fsType: use.fsType, isReadOnly, accessModes };
    const giver = group === undefined ? 'nobody' : groupGiver(object, grouped, known.capabilities);
    const [ofVolume, tokens] = await Promise.all([
      secretsOf(this.#deps.client, wanted.secretRef),
      csiTokens(this.#deps.client, object, pod),
    ]);
    const publish = {
      volumeId: wanted.handle,
      publishContext: wanted.publishContext,
      stagingPath: this.#stagingPath(wanted),
      targetPath: this.#named(wanted, at),
      use: giver === 'driver' ? { ...use, group } : use,
      readOnly: isReadOnly,
      secrets: { ...ofVolume, ...tokens.secrets },
      attributes: { ...wanted.attributes, ...podInfo(object, pod, mode), ...tokens.attributes },
    };
    await asked(known.driver.publish(publish, this.#deps.stopping));
    if (giver === 'kubelet' && group !== undefined && !this.#shown.has(at)) await this.#give(at, group, pod);
  }

  async #give(at: string, group: number, { spec }: Pod): Promise<void> {
    const isLazy = spec?.securityContext?.fsGroupChangePolicy === 'OnRootMismatch';
    if (!isLazy || !(await isOfGroup(at, group))) await this.#deps.giveTo(at, group);
  }

  /** Gives a volume of a pod back, and the node's own where no other pod has it. */
  async #giveBack(found: FoundVolume): Promise<void> {
    const { folder, stopping } = this.#deps;
    const { driverName, volumeHandle, podUid } = found;
    const known = this.#deps.driver(driverName);
    if (known === undefined)
      throw new VolumeError(`driver name ${driverName} not found in the list of registered CSI drivers`);
    const place = targetPlace(folder, podUid, found);
    await asked(known.driver.unpublish(volumeHandle, this.#named({ known }, place.path), stopping));
    this.#shown.delete(place.path);
    await takeAway(place);
    if (found.volumeLifecycleMode === 'Ephemeral') return;
    const others = (await foundVolumes(folder)).filter((one) => isSameVolume(one, found));
    if (others.length === 0) await this.#unstage(known, found);
    this.#inUse.remove(csiDeviceName(driverName, volumeHandle), podUid);
    this.#deps.onInUse();
  }

  async #unstage(known: KnownDriver, volume: CsiVolumeData): Promise<void> {
    const { folder, stopping } = this.#deps;
    const place = stagingPlace(folder, volume);
    if ((await writtenIn(place.record)) === undefined) return;
    await asked(known.driver.unstage(volume.volumeHandle, this.#named({ known }, place.path), stopping));
    this.#shown.delete(place.path);
    await takeAway(place);
  }

  /** What pods that are gone have left, and what was made ready for pods that never came. */
  async #giveBackOrphans(): Promise<void> {
    const { folder, isOver } = this.#deps;
    for (const podUid of await this.podUids()) if (isOver(podUid)) await this.unmount(podUid);
    for (const staged of await stagedVolumes(folder)) {
      const known = this.#deps.driver(staged.driverName);
      if (known === undefined) continue;
      await this.#inTurn({ ...staged, handle: staged.volumeHandle }, async () => {
        const isUsed = (await foundVolumes(folder)).some((one) => isSameVolume(one, staged));
        if (!isUsed) await this.#unstage(known, staged);
      });
    }
  }

  /** As the driver names it; `''` where there is none. */
  #stagingPath(wanted: Wanted): string {
    return wanted.staging === undefined ? '' : this.#named(wanted, wanted.staging.path);
  }

  /** A path as the driver names paths. */
  #named({ known }: Pick<Wanted, 'known'>, path: string): string {
    return pathAsNamed(this.#deps.folder, path, { by: known.driver.endpoint });
  }

  /** Does something with a volume once what was begun with it before is over. */
  async #inTurn<T>({ driverName, handle }: Pick<Wanted, 'driverName' | 'handle'>, work: () => Promise<T>): Promise<T> {
    const end = await this.#turns.take(`${driverName}^${handle}`);
    try {
      return await work();
    } finally {
      end();
    }
  }

  #wake(name: string): void {
    for (const podUid of this.#waiting.take(name)) this.#deps.onPod(podUid);
  }
}

/** What a driver says against it, as an error of the volume. */
async function asked<T>(work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    throw error instanceof PluginError ? new VolumeError(error.message) : error;
  });
}
