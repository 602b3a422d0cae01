/** Which resources the server has, and which of them a word on the command line means. */

import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList, digText, digTexts, type KubeApi } from './api.ts';

/** One resource of the server: its names, kind and scope. */
export interface Mapping {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly string[];
}

/** No resource of the server has the kind of an object. */
export class UnknownKindError extends UserError {}

const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** All resources, in the server's order of preference. */
export class Discovery {
  readonly #api: KubeApi;
  #mappings: Promise<readonly Mapping[]> | undefined;

  constructor(api: KubeApi) {
    this.#api = api;
  }

  mappings(): Promise<readonly Mapping[]> {
    this.#mappings ??= this.#load();
    return this.#mappings;
  }

  /** The resources that `word` means: a plural, singular, kind or short name, `resource.group`, `resource.version.group`, or a category. */
  async resolve(word: string): Promise<readonly [Mapping, ...Mapping[]]> {
    const all = await this.mappings();
    // Names are lower-case; a kind may be written as it is, or in lower case.
    const isKind = all.some((mapping) => mapping.kind === word.split('.')[0]);
    const wanted = isKind ? word.toLowerCase() : word;
    const [first, ...rest] = preferred(all.filter((mapping) => mapping.categories.includes(wanted)));
    if (first !== undefined) return [first, ...rest];
    const [name = '', ...tail] = wanted.split('.');
    const suffix = tail.join('.');
    const matches = (mapping: Mapping): boolean => {
      const names = [mapping.resource, mapping.singular, mapping.kind.toLowerCase(), ...mapping.shortNames];
      if (!names.includes(name)) return false;
      return suffix === '' || suffix === mapping.group || suffix === `${mapping.version}.${mapping.group}`;
    };
    const found = all.find((mapping) => matches(mapping) && mapping.verbs.length > 0);
    if (found === undefined) throw new UserError(`error: the server doesn't have a resource type "${word}"`);
    return [found];
  }

  /** The resource of a kind, by the apiVersion and kind an object carries; `where` says in an error which object that is. */
  async ofKind(apiVersion: string, kind: string, where: string): Promise<Mapping> {
    const all = await this.mappings();
    const found = all.find((mapping) => groupVersion(mapping) === apiVersion && mapping.kind === kind);
    if (found !== undefined) return found;
    throw new UnknownKindError(
      `error: resource mapping not found for ${where}: no matches for kind "${kind}" in version "${apiVersion}"\nensure CRDs are installed first`,
    );
  }

  async #load(): Promise<readonly Mapping[]> {
    try {
      const [core, named] = await Promise.all([
        this.#api.call({ method: 'GET', path: '/api', accept }),
        this.#api.call({ method: 'GET', path: '/apis', accept }),
      ]);
      return [...readGroups(core.object), ...readGroups(named.object)];
    } catch (error) {
      if (!(error instanceof StatusError) || error.reason !== 'Forbidden') throw error;
      // Who may not see what there is asks for it by the names that every server has, as kubectl does by what it has kept.
      const { resources } = await import('#pkg/api/resources.ts');
      return resources.filter((resource) => resource.enabledByDefault);
    }
  }
}

/** One version of each resource: the first, which the server prefers. */
function preferred(mappings: readonly Mapping[]): readonly Mapping[] {
  const seen = new Set<string>();
  return mappings.filter((mapping) => {
    const key = `${mapping.group}/${mapping.resource}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function readGroups(document: JsonObject): readonly Mapping[] {
  return digList(document, 'items').flatMap((group) => {
    const name = digText(group, 'metadata', 'name');
    return digList(group, 'versions').flatMap((version) =>
      digList(version, 'resources').map((resource): Mapping => {
        const kind = digText(resource, 'responseKind', 'kind');
        const list = (field: string): readonly string[] => digTexts(resource, field);
        return {
          group: name,
          version: digText(version, 'version'),
          resource: digText(resource, 'resource'),
          singular: digText(resource, 'singularResource') || kind.toLowerCase(),
          kind,
          namespaced: resource.scope === 'Namespaced',
          shortNames: list('shortNames'),
          categories: list('categories'),
          verbs: list('verbs'),
        };
      }),
    );
  });
}

/** `v1` or `apps/v1`. */
export function groupVersion(mapping: Mapping): string {
  return mapping.group === '' ? mapping.version : `${mapping.group}/${mapping.version}`;
}

/** Path of a resource, or of one object of it. */
export function pathOf(mapping: Mapping, namespace: string | undefined, name?: string, subresource?: string): string {
  const root = mapping.group === '' ? `/api/${mapping.version}` : `/apis/${mapping.group}/${mapping.version}`;
  const scope = mapping.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  const object = name === undefined ? '' : `/${encodeURIComponent(name)}`;
  return `${root}${scope}/${mapping.resource}${object}${subresource === undefined ? '' : `/${subresource}`}`;
}

/** `deployment.apps`, as kubectl names what it changed. */
export function kindName(mapping: Mapping): string {
  return mapping.group === '' ? mapping.singular : `${mapping.singular}.${mapping.group}`;
}
