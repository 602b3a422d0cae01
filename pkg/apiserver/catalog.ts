/**
 * What the server serves: every version of every definition with its schema, its rules, its storage and the way from the stored version to the
 * served one. Versions of a resource share one storage, and so do resources that are the same objects under two groups.
 *
 * Invariants: definitions are added and removed whole, between two requests: nobody sees a part of one. `generation` changes with each, by which
 * whoever derives something from the list (discovery, OpenAPI) knows that it is old. A storage is closed with the last that uses it: its watches
 * end, its cache gives its memory back. What is stored stays. What is expected (`expected-resources.ts`) is taken up before anybody is told that it is not there.
 * Upstream counterpart: apiserver `InstallAPIGroup`; apiextensions-apiserver `customresource_handler.go`.
 */
import { resourceKey, type SubresourceInfo } from '#pkg/api/resources.ts';
import { apiVersionOf, type GroupVersionKind, type GroupVersionResource } from '#pkg/apimachinery/object.ts';
import type { ObjectSchema } from '#pkg/apimachinery/schema.ts';
import { servedStrategy, type VersionPairing, versionView } from './conversion.ts';
import type { RemoteVersion } from './converters/remote-version.ts';
import { DefinitionError, type ResourceDefinition, type ResourceVersion, type ServedInfo } from './definition.ts';
import type { ServedCatalog } from './documents.ts';
import { ExpectedResources, type ResourceName } from './expected-resources.ts';
import type { KeepingRules } from './keeping-rules.ts';
import type { ResourceStore } from './storage/resource-store.ts';
import { storedView, type VersionView } from './storage/version-view.ts';
import type { ConnectSubresource, CreateSubresource, Strategy } from './strategy.ts';
import type { ObjectCheck } from './structural-values.ts';

/** A subresource of a served version, with what its sort needs. */
export interface ServedSubresource {
  readonly info: SubresourceInfo;
  readonly create: CreateSubresource | undefined;
  readonly connect: ConnectSubresource | undefined;
}

/** One resource in one version. */
export interface ServedResource {
  readonly info: ServedInfo;
  readonly apiVersion: string;
  readonly schema: ObjectSchema;
  readonly strategy: Strategy;
  /** Has the objects as `view` shows them. */
  readonly store: ResourceStore;
  /** What all versions of the same objects have in common. */
  readonly base: ResourceStore;
  /** Where versions are converted by somebody else. */
  readonly remote: RemoteVersion | undefined;
  readonly view: VersionView;
  readonly subresources: ReadonlyMap<string, ServedSubresource>;
  /** Has a `status` subresource, so that the main resource leaves status alone. */
  readonly hasStatus: boolean;
  readonly tracksGeneration: boolean | 'constant';
  /** What is wrong with the values of an object, beyond what the rules say. */
  readonly checkValues: ObjectCheck | undefined;
  /** What clients are warned of at every request. */
  readonly warning: string | undefined;
}

/** What is served, and how the objects of a resource are kept. */
export interface CatalogOptions {
  /** What is served from the start. */
  readonly definitions: readonly ResourceDefinition[];
  readonly openStore: (info: {
    readonly group: string;
    readonly resource: string;
    readonly namespaced: boolean;
    readonly keeping: KeepingRules;
    /** Of one version alone, whose objects are converted on their way. */
    readonly remote?: RemoteVersion;
  }) => ResourceStore;
}

interface OpenStore {
  readonly store: ResourceStore;
  /** Definitions that use it. */
  users: number;
}

interface Taken {
  /** All that it holds. */
  readonly names: ReadonlySet<string>;
  readonly served: readonly ServedResource[];
  /** The stored version, or the first. */
  readonly any: ServedResource;
  readonly storeName: string;
  /** Of versions that somebody else converts. */
  readonly converted: readonly ResourceStore[];
}

/** What one server serves. Changes between two requests, never within one. */
export class Catalog implements ServedCatalog {
  readonly #openStore: CatalogOptions['openStore'];
  readonly #byKey = new Map<string, ServedResource>();
  /** By group and then by resource: each request looks several times, and puts no text together. A group that has nothing has no entry. */
  readonly #byName = new Map<string, Map<string, Taken>>();
  readonly #stores = new Map<string, OpenStore>();
  /** Names that are taken, by whom. */
  readonly #names = new Map<string, string>();
  /** What is added, if it can be served, when somebody first asks for it. */
  readonly expected = new ExpectedResources();
  #list: readonly ServedInfo[] | undefined;
  #generation = 0;

  /** Throws `DefinitionError`. */
  constructor({ definitions, openStore }: CatalogOptions) {
    this.#openStore = openStore;
    const keeping = new Map(definitions.map((one) => [nameOf(one.group, one.names.plural), one.rules?.keeping ?? {}]));
    for (const definition of definitions) this.#add(definition, keeping);
  }

  find(gvr: GroupVersionResource): ServedResource | undefined {
    const key = `${gvr.group}/${gvr.version}/${gvr.resource}`;
    return this.#byKey.get(key) ?? (this.expected.meet(gvr) ? this.#byKey.get(key) : undefined);
  }

  /** The stored version of a resource, or any served one, for reading past authorization. */
  findAny({ group, resource }: ResourceName): ServedResource | undefined {
    this.expected.meet({ group, resource });
    return this.#takenOf(group, resource)?.any;
  }

  hasGroup(group: string): boolean {
    if (!this.#byName.has(group)) this.expected.meetGroup(group);
    return this.#byName.has(group);
  }

  #takenOf(group: string, resource: string): Taken | undefined {
    return this.#byName.get(group)?.get(resource);
  }

  list(): readonly ServedInfo[] {
    this.expected.meetSome();
    this.#list ??= [...this.#byKey.values()].map((one) => one.info);
    return this.#list;
  }

  /** All that was taken up. Versions of one resource always are together. */
  served(): Iterable<ServedResource> {
    return this.#byKey.values();
  }

  get generation(): number {
    return this.#generation;
  }

  /**
   * Serves a resource from now on. Objects that `rules.bootstrap` names are made at the server's start only. Throws `DefinitionError`, and changes
   * nothing, when it makes no sense or one of its names is taken.
   */
  add(definition: ResourceDefinition): void {
    this.expected.meetGroup(definition.group);
    this.#add(definition, new Map());
  }

  /**
   * Serves another state of a resource in place of the one that it has. Watches go on, unless what they watch is not served any more. Throws
   * `DefinitionError`, and changes nothing, as `add` does, or where it is not served.
   */
  replace(definition: ResourceDefinition): void {
    const { group, names } = definition;
    this.expected.meetGroup(group);
    const taken = this.#takenOf(group, names.plural);
    if (taken === undefined) refuse(definition, 'it is not served');
    checkDefinition(definition);
    const wanted = namesOf(definition);
    this.#checkNames(definition, wanted);
    for (const held of taken.names) this.#names.delete(held);
    for (const { info } of taken.served) this.#byKey.delete(resourceKey(info));
    this.#take(definition, {
      store: this.#stores.get(taken.storeName)!.store,
      storeName: taken.storeName,
      names: wanted,
    });
    // Another definition may convert in another way: as upstream, whoever watches begins anew.
    for (const store of taken.converted) store.close();
  }

  /** Which resource of a group has a name (of a resource, or a kind) that no other may have; undefined when it is free. */
  holderOf({
    group,
    sort,
    name,
  }: {
    readonly group: string;
    readonly sort: 'kind' | 'name';
    readonly name: string;
  }): string | undefined {
    this.expected.meetGroup(group);
    return this.#names.get(`${group} ${sort} ${name}`);
  }

  /** Serves a resource no longer: its watches end, and who asks is told that there is no such resource. False when there was none. */
  remove({ group, resource }: ResourceName): boolean {
    this.expected.meet({ group, resource });
    const ofGroup = this.#byName.get(group);
    const taken = ofGroup?.get(resource);
    if (ofGroup === undefined || taken === undefined) return false;
    ofGroup.delete(resource);
    if (ofGroup.size === 0) this.#byName.delete(group);
    for (const { info } of taken.served) this.#byKey.delete(resourceKey(info));
    for (const held of taken.names) this.#names.delete(held);
    this.#changed();
    for (const store of taken.converted) store.close();
    const open = this.#stores.get(taken.storeName)!;
    open.users--;
    if (open.users === 0) {
      this.#stores.delete(taken.storeName);
      open.store.close();
    }
    return true;
  }

  #add(definition: ResourceDefinition, keeping: ReadonlyMap<string, KeepingRules>): void {
    const { group, names, namespaced, rules } = definition;
    checkDefinition(definition);
    if (this.#takenOf(group, names.plural) !== undefined) refuse(definition, 'it is served already');
    const wanted = namesOf(definition);
    this.#checkNames(definition, wanted);
    const storeName = nameOf(definition.storedAs?.group ?? group, names.plural);
    let open = this.#stores.get(storeName);
    if (open === undefined) {
      const subject = { group: definition.storedAs?.group ?? group, resource: names.plural };
      const kept = keeping.get(storeName) ?? rules?.keeping ?? {};
      open = { store: this.#openStore({ ...subject, namespaced, keeping: kept }), users: 0 };
      this.#stores.set(storeName, open);
    }
    open.users++;
    this.#take(definition, { store: open.store, storeName, names: wanted });
  }

  #take(
    definition: ResourceDefinition,
    { store, storeName, names }: Pick<Taken, 'names' | 'storeName'> & { readonly store: ResourceStore },
  ): void {
    const { group } = definition;
    const converted: ResourceStore[] = [];
    const served = definition.versions
      .filter((one) => one.served)
      .map((one) => {
        if (one.remote === undefined) return serve(definition, one, { store, base: store });
        const own = this.#openConverted(definition, one.remote);
        converted.push(own);
        return serve(definition, one, { store: own, base: store });
      });
    const any = served.find(({ info, view }) => view.isStored && info.version === info.storedAs.version) ?? served[0]!;
    const ofGroup = this.#byName.get(group) ?? new Map<string, Taken>();
    this.#byName.set(group, ofGroup);
    ofGroup.set(definition.names.plural, { names, served, any, storeName, converted });
    const title = titleOf(definition);
    for (const name of names) this.#names.set(name, title);
    for (const one of served) this.#byKey.set(resourceKey(one.info), one);
    this.#changed();
  }

  #openConverted({ group, names, namespaced, rules }: ResourceDefinition, remote: RemoteVersion): ResourceStore {
    const keeping: KeepingRules = { ...rules?.keeping, watchCache: 'none' };
    return this.#openStore({ group, resource: names.plural, namespaced, keeping, remote });
  }

  /** Throws where another has a name. Source: apiextensions-apiserver `controller/status/naming_controller.go`. */
  #checkNames(definition: ResourceDefinition, names: ReadonlySet<string>): void {
    const title = titleOf(definition);
    for (const name of names) {
      const holder = this.#names.get(name) ?? title;
      if (holder !== title) refuse(definition, `the ${name.slice(name.indexOf(' ') + 1)} belongs to ${holder}`);
    }
  }

  #changed(): void {
    this.#list = undefined;
    this.#generation++;
  }
}

function nameOf(group: string, resource: string): string {
  return `${group}/${resource}`;
}

function titleOf({ group, names }: ResourceDefinition): string {
  return group === '' ? names.plural : `${names.plural}.${group}`;
}

/** Throws where a definition contradicts itself. */
function checkDefinition(definition: ResourceDefinition): void {
  const { versions, storedAs, rules = {} } = definition;
  const names = versions.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) refuse(definition, `it has version ${twice} twice`);
  if (!versions.some(({ served }) => served)) refuse(definition, 'none of its versions is served');
  const stored = versions.filter((version) => version.stored);
  const wanted = storedAs === undefined ? 1 : 0;
  if (stored.length !== wanted)
    refuse(definition, `${stored.length} of its versions are stored, where ${wanted} must be`);
  const sorts = [rules.subresources, rules.creates, rules.connects].flatMap((sort) => Object.keys(sort ?? {}));
  const ambiguous = sorts.find((name, index) => sorts.indexOf(name) !== index);
  if (ambiguous !== undefined) refuse(definition, `its subresource ${ambiguous} is of two sorts`);
}

/** All names that only one definition of the group may have, each with its sort. */
function namesOf({ group, names }: ResourceDefinition): ReadonlySet<string> {
  const resources = [names.plural, names.singular, ...names.shortNames].map((name) => `${group} name ${name}`);
  return new Set([...resources, ...[names.kind, names.listKind].map((kind) => `${group} kind ${kind}`)]);
}

function refuse(definition: ResourceDefinition, why: string): never {
  throw new DefinitionError(`Cannot serve ${titleOf(definition)} as ${why}`);
}

function serve(
  definition: ResourceDefinition,
  version: ResourceVersion,
  stores: Pick<ServedResource, 'base' | 'store'>,
): ServedResource {
  const { group, names } = definition;
  const own = { group, version: version.name, kind: names.kind };
  const stored = definition.storedAs ?? storedVersion(definition);
  const pairing: VersionPairing = {
    served: { ...own, schema: version.schema },
    stored,
    converter: version.converter,
  };
  const common = servedStrategy({ group, resource: names.plural, ...definition.rules }, pairing);
  const strategy = version.rules === undefined ? common : { ...common, ...version.rules };
  const subresources = subresourcesOf(version, own, definition.rules ?? {});
  return {
    info: infoOf(definition, version, { stored, subresources: [...subresources.values()].map(({ info }) => info) }),
    apiVersion: apiVersionOf(own),
    schema: version.schema,
    strategy: version.table === undefined ? strategy : { ...strategy, table: version.table },
    ...stores,
    remote: version.remote,
    view: version.remote === undefined ? versionView(pairing) : storedView,
    subresources,
    hasStatus: subresources.has('status'),
    tracksGeneration:
      strategy.tracksGeneration ?? (version.schema.fields.has('spec') && version.schema.fields.has('status')),
    checkValues: version.checkValues,
    warning: version.warning,
  };
}

function storedVersion({ group, names, versions }: ResourceDefinition): VersionPairing['stored'] {
  const { name, schema } = versions.find((version) => version.stored)!;
  return { group, version: name, kind: names.kind, schema };
}

function infoOf(
  { group, names, namespaced, rules }: ResourceDefinition,
  version: ResourceVersion,
  { stored, subresources }: { readonly stored: GroupVersionKind; readonly subresources: readonly SubresourceInfo[] },
): ServedInfo {
  return {
    group,
    version: version.name,
    resource: names.plural,
    kind: names.kind,
    listKind: names.listKind,
    type: version.type,
    listType: version.listType,
    singular: names.singular,
    namespaced,
    shortNames: names.shortNames,
    categories: names.categories,
    verbs: version.verbs,
    subresources,
    enabledByDefault: true,
    storedAs: { group: stored.group, version: stored.version, kind: stored.kind },
    schema: version.schema,
    published: version.published,
    returnsDeleted: rules?.returnsDeleted === true,
    connections: Object.fromEntries(
      Object.entries(rules?.connects ?? {}).map(([name, { kind, options = kind, takesPath = false }]) => [
        name,
        { options, takesPath },
      ]),
    ),
  };
}

/** Those of the version, and those that the rules name. */
function subresourcesOf(
  version: ResourceVersion,
  own: GroupVersionKind,
  rules: Omit<Strategy, 'group' | 'resource'>,
): ReadonlyMap<string, ServedSubresource> {
  const found = new Map<string, ServedSubresource>();
  const add = (info: SubresourceInfo, sort: Partial<ServedSubresource> = {}): void => {
    found.set(info.name, { info, create: undefined, connect: undefined, ...sort });
  };
  for (const info of version.subresources) add(info);
  for (const [name, { verbs }] of Object.entries(rules.subresources ?? {})) {
    // Rules for what the version does not have are for another one, unless they say what it is.
    if (verbs !== undefined) add({ name, ...own, verbs });
  }
  for (const [name, create] of Object.entries(rules.creates ?? {})) {
    add({ name, ...create.kind, verbs: ['create'] }, { create });
  }
  for (const [name, connect] of Object.entries(rules.connects ?? {})) {
    add({ name, ...connect.kind, verbs: connect.verbs }, { connect });
  }
  return found;
}
