/** Folders whose files are made of ConfigMaps, Secrets, fields of the pod and tokens. Source: kubelet `volume/projected`. */
import type { Pod, VolumeProjection } from '#pkg/api/types/core-v1.ts';
import type { FieldContext } from '../env/field-ref.ts';
import { addFields, addKeys, VolumeError } from './payload.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';
import type { VolumeFile, VolumeHost } from './volume-host.ts';
import type { VolumeMounted } from './volume-mounted.ts';
import type { WatchedKind, WatchedObjects } from './watched-objects.ts';

/** Where contents come from and go to. */
export interface ProjectionsDeps {
  readonly host: VolumeHost;
  readonly objects: WatchedObjects;
  readonly tokens: ServiceAccountTokens;
  /** Whether containers of this pod read files: without, tokens are not asked for. */
  readsFiles(pod: Pod): boolean;
}

/** One such folder. */
export interface Projection {
  /** Kind of the volume, as its folder is called. */
  readonly plugin: string;
  readonly name: string;
  /** Permission bits of files that name none. */
  readonly mode: number;
  readonly sources: readonly VolumeProjection[];
}

interface Subject {
  readonly pod: Pod;
  readonly fields: FieldContext;
}

/** The folders of one node. */
export class Projections {
  readonly #deps: ProjectionsDeps;

  constructor(deps: ProjectionsDeps) {
    this.#deps = deps;
  }

  /** Makes the files of a volume exactly what its sources say now. */
  async write(projection: Projection, { pod, fields }: Subject): Promise<VolumeMounted> {
    const { plugin, name, mode, sources } = projection;
    const files = new Map<string, VolumeFile>();
    let renewAtMs = Number.POSITIVE_INFINITY;
    const isForApi = sources.some(({ serviceAccountToken }) => serviceAccountToken !== undefined);
    // Nobody reads it: nothing has to be asked for or watched, in the name of thousands of nodes.
    const wanted = isForApi && !this.#deps.readsFiles(pod) ? [] : sources;
    for (const source of wanted) {
      if (source.configMap !== undefined)
        await this.#addObject(files, { pod, kind: 'configmap', source: source.configMap, mode });
      else if (source.secret !== undefined)
        await this.#addObject(files, { pod, kind: 'secret', source: source.secret, mode });
      else if (source.downwardAPI !== undefined) addFields(files, source.downwardAPI.items ?? [], { fields, mode });
      else if (source.serviceAccountToken !== undefined) {
        const token = await this.#deps.tokens.token(pod, name, source.serviceAccountToken);
        files.set(source.serviceAccountToken.path, { data: Buffer.from(token.value), mode });
        renewAtMs = Math.min(renewAtMs, token.renewAtMs);
      } else
        throw new VolumeError(`projections of kind ${Object.keys(source).join(', ')} are not supported by this node`);
    }
    const path = await this.#deps.host.write({ podUid: pod.metadata?.uid ?? '', plugin, name }, files);
    return { path, measure: 'files', ...(renewAtMs === Number.POSITIVE_INFINITY ? {} : { renewAtMs }) };
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
}
