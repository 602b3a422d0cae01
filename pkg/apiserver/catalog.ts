/**
 * What the server serves: every enabled resource with its schema, its strategy, its storage and the way from the stored
 * version to the served one. Versions of a resource share one storage.
 */
import { typeSchema } from '#pkg/api/facts.ts';
import { type ResourceInfo, resourceKey, resources } from '#pkg/api/resources.ts';
import { apiVersionOf, type GroupVersionResource } from '#pkg/apimachinery/object.ts';
import type { ObjectSchema } from '#pkg/apimachinery/schema.ts';
import { servedStrategy, storageOf, versionView } from './conversion.ts';
import type { ServedCatalog } from './documents.ts';
import type { ResourceStore } from './storage/resource-store.ts';
import type { VersionView } from './storage/version-view.ts';
import type { KeepingRules, Strategy } from './strategy.ts';

/** One resource in one version. */
export interface ServedResource {
  readonly info: ResourceInfo;
  readonly apiVersion: string;
  readonly schema: ObjectSchema;
  readonly strategy: Strategy;
  readonly store: ResourceStore;
  readonly view: VersionView;
  /** Has a `status` subresource, so that the main resource leaves status alone. */
  readonly hasStatus: boolean;
  readonly tracksGeneration: boolean | 'constant';
}

export interface CatalogOptions {
  readonly strategies: readonly Strategy[];
  /** `api/all`, `<group>/<version>` (`v1` for core) or `<group>/<version>/<resource>` to whether it is served. */
  readonly runtimeConfig: Readonly<Record<string, boolean>>;
  readonly openStore: (info: {
    readonly group: string;
    readonly resource: string;
    readonly namespaced: boolean;
    readonly keeping: KeepingRules;
  }) => ResourceStore;
}

export class Catalog implements ServedCatalog {
  readonly #byKey = new Map<string, ServedResource>();
  readonly #groups = new Set<string>();
  readonly #byStorage = new Map<string, ServedResource>();
  #list: readonly ResourceInfo[] = [];
  #generation = 0;

  constructor(options: CatalogOptions) {
    const enabled = resources.filter((info) => isEnabled(info, options.runtimeConfig));
    const strategies = new Map(options.strategies.map((strategy) => [strategyKey(strategy), strategy]));
    const stores = new Map<string, ResourceStore>();
    for (const info of enabled) {
      const storage = storageOf(info, enabled);
      if (storage === undefined) continue;
      const key = `${storage.group}/${storage.resource}`;
      let store = stores.get(key);
      if (store === undefined) {
        const { group, resource } = storage;
        const keeping = strategies.get(strategyKey({ group, resource }))?.keeping ?? {};
        store = options.openStore({ group, resource, namespaced: info.namespaced, keeping });
        stores.set(key, store);
      }
      this.#add(serve(info, storage, store, strategies));
    }
  }

  find(gvr: GroupVersionResource): ServedResource | undefined {
    return this.#byKey.get(`${gvr.group}/${gvr.version}/${gvr.resource}`);
  }

  /** Any served version of a resource, for reading past versions. */
  findAny(resource: { readonly group: string; readonly resource: string }): ServedResource | undefined {
    return this.#byStorage.get(`${resource.group}/${resource.resource}`);
  }

  hasGroup(group: string): boolean {
    return this.#groups.has(group);
  }

  list(): readonly ResourceInfo[] {
    return this.#list;
  }

  served(): Iterable<ServedResource> {
    return this.#byKey.values();
  }

  get generation(): number {
    return this.#generation;
  }

  #add(served: ServedResource): void {
    const { info } = served;
    this.#byKey.set(resourceKey(info), served);
    this.#groups.add(info.group);
    const any = `${info.group}/${info.resource}`;
    if (!this.#byStorage.has(any) || served.view.isStored) this.#byStorage.set(any, served);
    this.#list = [...this.#byKey.values()].map((one) => one.info);
    this.#generation++;
  }
}

function strategyKey(strategy: Pick<Strategy, 'group' | 'resource' | 'version'>): string {
  return `${strategy.group}/${strategy.version ?? ''}/${strategy.resource}`;
}

function serve(
  info: ResourceInfo,
  storage: ResourceInfo,
  store: ResourceStore,
  strategies: ReadonlyMap<string, Strategy>,
): ServedResource {
  const { group, resource, version } = info;
  const strategy = servedStrategy(
    strategies.get(`${group}/${version}/${resource}`) ?? strategies.get(`${group}//${resource}`) ?? { group, resource },
    info,
    storage,
  );
  const schema = typeSchema(info.type);
  const hasStatus = info.subresources.some((subresource) => subresource.name === 'status');
  return {
    info,
    apiVersion: apiVersionOf(info),
    schema,
    strategy,
    store,
    view: versionView(info, storage),
    hasStatus,
    tracksGeneration: strategy.tracksGeneration ?? (schema.fields.has('spec') && schema.fields.has('status')),
  };
}

/** Metrics are served by an add-on, even though clients know their types. */
const addOnGroups: ReadonlySet<string> = new Set(['metrics.k8s.io']);

function isEnabled(info: ResourceInfo, config: Readonly<Record<string, boolean>>): boolean {
  if (addOnGroups.has(info.group)) return false;
  const groupVersion = apiVersionOf(info);
  const stage = /alpha/.test(info.version) ? 'alpha' : /beta/.test(info.version) ? 'beta' : 'ga';
  return (
    config[`${groupVersion}/${info.resource}`] ??
    config[groupVersion] ??
    config[`api/${stage}`] ??
    config['api/all'] ??
    info.enabledByDefault
  );
}
