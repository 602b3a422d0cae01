/**
 * Makes the volumes of pods with the plugins of a table; a kind that none is for is refused with a message for the `FailedMount` event, and the
 * pod waits. What of a pod was mounted is taken down as a whole.
 */
import type { Pod, Volume } from '#pkg/api/types/core-v1.ts';
import { persistentVolumes } from '#pkg/api/types/refs.ts';
import { isNotFound, StatusError } from '#pkg/apimachinery/status-error.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Client } from '#pkg/client/client.ts';
import type { RecordedEvent } from '#pkg/client/event-recorder.ts';
import type { FieldContext } from '../env/field-ref.ts';
import type { DriverVolumes } from './driver-volumes.ts';
import { VolumeError } from './payload.ts';
import { type MountOutcome, type PodVolumes, type SubPath, writtenKinds } from './pod-volumes.ts';
import { Projections } from './projections.ts';
import { ServiceAccountTokens } from './service-account-tokens.ts';
import type { VolumeHost } from './volume-host.ts';
import { VolumeMeasures } from './volume-measures.ts';
import type { VolumeMounted } from './volume-mounted.ts';
import type { VolumeDependency, VolumePlugin } from './volume-plugin.ts';
import type { PodVolumeUsage } from './volume-usage.ts';
import type { WatchedObjects } from './watched-objects.ts';

/** What plugins are made with. */
export interface VolumeManagerDeps {
  readonly host: VolumeHost;
  readonly plugins: readonly VolumePlugin[];
  readonly objects: WatchedObjects;
  readonly client: Client;
  readonly clock: Clock;
  /** Volumes of drivers beside the kubelet; absent where there are none. */
  readonly drivers?: DriverVolumes | undefined;
  record(pod: Pod, event: RecordedEvent): void;
  /** Whether containers of this pod read files: without, tokens are not asked for. */
  readsFiles(pod: Pod): boolean;
}

/** A volume without any kind is one of these. Source: API defaults. */
const kindDefault = 'emptyDir';
/** Source: kubelet `ensureHostsFile`. */
const podFileMode = 0o644;

/** The volumes of one node. */
export class VolumeManager implements PodVolumes {
  readonly #deps: VolumeManagerDeps;
  readonly #tokens: ServiceAccountTokens;
  readonly #projections: Projections;
  readonly #byKind: ReadonlyMap<string, VolumePlugin>;
  readonly #measures: VolumeMeasures;
  readonly #mounted = new Set<string>();

  /** Throws for two plugins of one kind. */
  constructor(deps: VolumeManagerDeps) {
    this.#deps = deps;
    this.#tokens = new ServiceAccountTokens(deps);
    this.#measures = new VolumeMeasures(deps);
    this.#projections = new Projections({ ...deps, tokens: this.#tokens, readsFiles: (pod) => deps.readsFiles(pod) });
    this.#byKind = new Map(deps.plugins.map((plugin) => [plugin.kind, plugin]));
    if (this.#byKind.size < deps.plugins.length) {
      throw new Error(`Cannot use the volume plugins as two are of one kind: ${deps.plugins.map(({ kind }) => kind)}`);
    }
  }

  async mount(pod: Pod, fields: FieldContext): Promise<MountOutcome> {
    const volumes = new Map<string, VolumeMounted>();
    let renewAtMs = Number.POSITIVE_INFINITY;
    for (const volume of pod.spec?.volumes ?? []) {
      try {
        this.#mounted.add(pod.metadata?.uid ?? '');
        const mounted = await this.#setUp(pod, volume, fields);
        this.#measures.add(pod, volume, mounted);
        volumes.set(volume.name, mounted);
        renewAtMs = Math.min(renewAtMs, mounted.renewAtMs ?? renewAtMs);
      } catch (error) {
        if (!(error instanceof VolumeError || error instanceof StatusError || isSystemError(error))) throw error;
        return { ok: false, volume: volume.name, message: error.message };
      }
    }
    return { ok: true, volumes, ...(renewAtMs === Number.POSITIVE_INFINITY ? {} : { renewAtMs }) };
  }

  dependsOn(pod: Pod, what: VolumeDependency): boolean {
    return (pod.spec?.volumes ?? []).some(
      (volume) => this.#byKind.get(kindOf(volume))?.dependsOn?.(volume).includes(what) === true,
    );
  }

  within(root: string, subPath: SubPath): Promise<string> {
    return this.#deps.host.within(root, subPath.path, {
      podUid: subPath.podUid,
      plugin: 'subpath',
      name: subPath.mount,
      isReadOnly: subPath.isReadOnly,
    });
  }

  async writeFile(podUid: string, name: string, text: string): Promise<string> {
    this.#mounted.add(podUid);
    const files = new Map([[name, { data: Buffer.from(text), mode: podFileMode }]]);
    const root = await this.#deps.host.write({ podUid, plugin: 'pod-file', name }, files);
    return this.#deps.host.within(root, name, { podUid, plugin: 'subpath', name: `pod-file.${name}` });
  }

  /** What the empty volumes of a pod take on the disk, by name. */
  async bytesOf({ metadata, spec }: Pod): Promise<ReadonlyMap<string, number>> {
    const onDisk = (spec?.volumes ?? []).filter(
      ({ emptyDir }) => emptyDir !== undefined && emptyDir.medium !== 'Memory',
    );
    const podUid = metadata?.uid ?? '';
    const found = onDisk.map(async ({ name }) => {
      const bytes = await this.#deps.host.bytesOf({ podUid, plugin: 'empty-dir', name });
      return [name, bytes] as const;
    });
    return new Map(await Promise.all(found));
  }

  /** How full the volumes of a pod are, by name. */
  usageOf(podUid: string): Promise<readonly PodVolumeUsage[]> {
    return this.#measures.usageOf(podUid);
  }

  /** Sees, until `signal` is aborted, to what drivers say is wrong with volumes. */
  run(signal: AbortSignal): Promise<void> {
    return this.#measures.run(signal);
  }

  async unmount(podUid: string): Promise<void> {
    this.#deps.objects.release(podUid);
    this.#tokens.forget(podUid);
    this.#measures.forget(podUid);
    if (!this.#mounted.has(podUid)) return;
    for (const plugin of this.#deps.plugins) await plugin.tearDown?.(podUid);
    await this.#deps.host.removePod(podUid);
    await this.#deps.drivers?.unmount(podUid);
    this.#mounted.delete(podUid);
    await this.#removeLasting();
  }

  /** Removes folders whose volumes are gone. Of one that the server does not speak about nothing is known: it stays. */
  async #removeLasting(): Promise<void> {
    const { host, client } = this.#deps;
    for (const name of await host.lastingNames()) {
      try {
        await client.resource(persistentVolumes).get(name);
      } catch (error) {
        if (isNotFound(error)) await host.removeLasting(name);
      }
    }
  }

  /** Removes what pods that are no longer there have left, but for volumes of drivers, which may not be there yet: those see to that themselves. */
  async removeOrphans(known: ReadonlySet<string>): Promise<void> {
    for (const podUid of (await this.#deps.drivers?.podUids()) ?? []) if (known.has(podUid)) this.#mounted.add(podUid);
    for (const podUid of await this.#deps.host.podUids()) {
      this.#mounted.add(podUid);
      if (known.has(podUid)) continue;
      try {
        await this.unmount(podUid);
      } catch (error) {
        if (!(error instanceof VolumeError)) throw error;
      }
    }
    await this.#removeLasting();
  }

  async #setUp(pod: Pod, volume: Volume, fields: FieldContext): Promise<VolumeMounted> {
    const kind = kindOf(volume);
    const plugin = this.#byKind.get(kind);
    if (plugin === undefined) throw new VolumeError(`volumes of kind ${kind} are not supported by this node`);
    const { host, client, drivers } = this.#deps;
    const mounted = await plugin.setUp(volume, { pod, fields, host, client, drivers, projections: this.#projections });
    const group = pod.spec?.securityContext?.fsGroup;
    const isWritten = writtenKinds.has(kind);
    if (group !== undefined && (isWritten || kind === kindDefault))
      await host.giveTo(mounted.path, { group, isReadOnly: isWritten });
    return mounted;
  }
}

function kindOf(volume: Volume): string {
  const kinds = Object.entries(volume).filter(
    ([key, value]) => key !== 'name' && value !== undefined && value !== null,
  );
  return kinds[0]?.[0] ?? kindDefault;
}

/** An error of the file system: no space, no permission. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}
