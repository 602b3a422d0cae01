/**
 * Makes the volumes of pods: emptyDir, configMap, secret, downwardAPI, projected, hostPath. Every other kind is refused with a
 * message for the `FailedMount` event, and the pod waits.
 */
import type { Pod, Volume, VolumeProjection } from '#pkg/api/types/core-v1.ts';
import { serviceAccounts } from '#pkg/api/types/refs.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Client } from '#pkg/client/client.ts';
import type { FieldContext } from '../env/field-ref.ts';
import { addFields, addKeys, defaultMode, VolumeError } from './payload.ts';
import type { MountOutcome, PodVolumes } from './pod-volumes.ts';
import type { VolumeFile, VolumeHost, VolumeRef } from './volume-host.ts';
import type { WatchedKind, WatchedObjects } from './watched-objects.ts';

export interface VolumeManagerDeps {
  readonly host: VolumeHost;
  readonly objects: WatchedObjects;
  readonly client: Client;
  readonly clock: Clock;
  /** Whether containers of this pod read files: without, tokens are not asked for. */
  readsFiles(pod: Pod): boolean;
}

/** A token is asked for anew when this part of its life has passed. Source: kubelet `token_manager.go`. */
const tokenRenewPart = 0.8;
const tokenSecondsDefault = 3600;

interface Token {
  readonly value: string;
  readonly renewAtMs: number;
}

export class VolumeManager implements PodVolumes {
  readonly #deps: VolumeManagerDeps;
  /** Tokens of pods by pod uid, then by volume, audience and path. */
  readonly #tokens = new Map<string, Map<string, Token>>();
  readonly #mounted = new Set<string>();

  constructor(deps: VolumeManagerDeps) {
    this.#deps = deps;
  }

  async mount(pod: Pod, fields: FieldContext): Promise<MountOutcome> {
    const paths = new Map<string, string>();
    for (const volume of pod.spec?.volumes ?? []) {
      try {
        this.#mounted.add(fields.pod.metadata?.uid ?? '');
        paths.set(volume.name, await this.#mountOne(pod, volume, fields));
      } catch (error) {
        if (!(error instanceof VolumeError || error instanceof StatusError || isSystemError(error))) throw error;
        return { ok: false, volume: volume.name, message: error.message };
      }
    }
    const renewals = [...(this.#tokens.get(pod.metadata?.uid ?? '')?.values() ?? [])].map(({ renewAtMs }) => renewAtMs);
    return { ok: true, paths, ...(renewals.length === 0 ? {} : { renewAtMs: Math.min(...renewals) }) };
  }

  within(root: string, subPath: string): Promise<string> {
    return this.#deps.host.within(root, subPath);
  }

  async unmount(podUid: string): Promise<void> {
    this.#deps.objects.release(podUid);
    this.#tokens.delete(podUid);
    if (this.#mounted.delete(podUid)) await this.#deps.host.removePod(podUid);
  }

  /** Removes what pods that are no longer there have left. */
  async removeOrphans(known: ReadonlySet<string>): Promise<void> {
    for (const podUid of await this.#deps.host.podUids()) {
      if (known.has(podUid)) this.#mounted.add(podUid);
      else await this.#deps.host.removePod(podUid);
    }
  }

  async #mountOne(pod: Pod, volume: Volume, fields: FieldContext): Promise<string> {
    const { host } = this.#deps;
    const ref = (plugin: string): VolumeRef => ({ podUid: pod.metadata?.uid ?? '', plugin, name: volume.name });
    if (volume.hostPath !== undefined) {
      await host.machinePath(volume.hostPath.path, volume.hostPath.type ?? '');
      return volume.hostPath.path;
    }
    if (volume.configMap !== undefined) {
      const { name, items, optional } = volume.configMap;
      const source = { configMap: { name, items, optional } as VolumeProjection['configMap'] } as VolumeProjection;
      return host.write(ref('configmap'), await this.#files(pod, [source], fields, volume));
    }
    if (volume.secret !== undefined) {
      const { secretName, items, optional } = volume.secret;
      const source = {
        secret: { name: secretName, items, optional } as VolumeProjection['secret'],
      } as VolumeProjection;
      return host.write(ref('secret'), await this.#files(pod, [source], fields, volume));
    }
    if (volume.downwardAPI !== undefined) {
      const source = { downwardAPI: volume.downwardAPI } as VolumeProjection;
      return host.write(ref('downward-api'), await this.#files(pod, [source], fields, volume));
    }
    if (volume.projected !== undefined) {
      return host.write(ref('projected'), await this.#files(pod, volume.projected.sources ?? [], fields, volume));
    }
    const kind = Object.keys(volume).find((key) => key !== 'name') ?? 'emptyDir';
    if (kind === 'emptyDir') return host.directory(ref('empty-dir'));
    throw new VolumeError(`volumes of kind ${kind} are not supported by this node`);
  }

  async #files(
    pod: Pod,
    sources: readonly VolumeProjection[],
    fields: FieldContext,
    volume: Volume,
  ): Promise<ReadonlyMap<string, VolumeFile>> {
    const files = new Map<string, VolumeFile>();
    const mode =
      volume.configMap?.defaultMode ??
      volume.secret?.defaultMode ??
      volume.downwardAPI?.defaultMode ??
      volume.projected?.defaultMode ??
      defaultMode;
    for (const source of sources) {
      if (source.configMap !== undefined)
        await this.#addObject(files, { pod, kind: 'configmap', source: source.configMap, mode });
      else if (source.secret !== undefined)
        await this.#addObject(files, { pod, kind: 'secret', source: source.secret, mode });
      else if (source.downwardAPI !== undefined) addFields(files, source.downwardAPI.items ?? [], { fields, mode });
      else if (source.serviceAccountToken !== undefined) {
        if (!this.#deps.readsFiles(pod)) continue;
        const token = await this.#token(pod, volume.name, source.serviceAccountToken);
        files.set(source.serviceAccountToken.path, { data: Buffer.from(token), mode });
      } else
        throw new VolumeError(`projections of kind ${Object.keys(source).join(', ')} are not supported by this node`);
    }
    return files;
  }

  async #addObject(
    files: Map<string, VolumeFile>,
    options: {
      readonly pod: Pod;
      readonly kind: WatchedKind;
      readonly source: NonNullable<VolumeProjection['configMap']>;
      readonly mode: number;
    },
  ): Promise<void> {
    const { pod, kind, source, mode } = options;
    const { namespace = '', uid = '' } = pod.metadata ?? {};
    const name = source.name ?? '';
    const object = await this.#deps.objects.use(uid, kind, { namespace, name });
    if (object === undefined) {
      if (source.optional === true) return;
      throw new VolumeError(`${kind} "${name}" not found`);
    }
    addKeys(files, object, { items: source.items, mode, optional: source.optional === true, kind });
  }

  async #token(
    pod: Pod,
    volume: string,
    source: NonNullable<VolumeProjection['serviceAccountToken']>,
  ): Promise<string> {
    const { uid = '', name = '', namespace = '' } = pod.metadata ?? {};
    const key = `${volume}/${source.audience ?? ''}/${source.path}`;
    const nowMs = this.#deps.clock.nowMs();
    const known = this.#tokens.get(uid)?.get(key);
    if (known !== undefined && nowMs < known.renewAtMs) return known.value;
    const seconds = source.expirationSeconds ?? tokenSecondsDefault;
    const account = pod.spec?.serviceAccountName || 'default';
    const answer = (await this.#deps.client.resource(serviceAccounts).createSubresource(
      account,
      'token',
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: {
          audiences: source.audience ? [source.audience] : [],
          expirationSeconds: seconds,
          boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name, uid },
        },
      } as never,
      { namespace },
    )) as { readonly status?: { readonly token?: string } };
    const value = answer.status?.token;
    if (value === undefined) throw new VolumeError(`failed to fetch token: the server gave none for ${account}`);
    const ofPod = this.#tokens.get(uid) ?? new Map<string, Token>();
    this.#tokens.set(uid, ofPod);
    ofPod.set(key, { value, renewAtMs: nowMs + seconds * 1000 * tokenRenewPart });
    return value;
  }
}

/** An error of the file system: no space, no permission. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}
