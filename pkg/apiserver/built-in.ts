/**
 * The definitions of the API's own resources: their names, versions and schemas from the table of API facts, their rules from a table that is
 * given. Knows no kind by name.
 *
 * A version whose fields differ from those of the stored one needs a converter, and is not served without one. The stored version is the
 * newest of those that are served.
 */
import { type FieldFact, typeFacts, typeSchema } from '#pkg/api/facts.ts';
import { type ResourceInfo, resources } from '#pkg/api/resources.ts';
import { apiVersionOf } from '#pkg/apimachinery/object.ts';
import { compareVersions } from './conversion.ts';
import { DefinitionError, type ResourceDefinition, type ResourceVersion } from './definition.ts';
import type { Strategy, VersionRules } from './strategy.ts';

/** The rules of the resources, and which versions are served beyond the default. */
export interface BuiltInOptions {
  readonly strategies: readonly Strategy[];
  /** `api/all`, `<group>/<version>` (`v1` for core) or `<group>/<version>/<resource>` to whether it is served. */
  readonly runtimeConfig: Readonly<Record<string, boolean>>;
}

/** A definition for each resource of which a version is served. Throws `DefinitionError` for rules of what is no resource, or that are there twice. */
export function builtInDefinitions({ strategies, runtimeConfig }: BuiltInOptions): readonly ResourceDefinition[] {
  const rules = new Map(strategies.map((strategy) => [nameOf(strategy), strategy]));
  const enabled = versionsByName(resources.filter((info) => isEnabled(info, runtimeConfig, rules)));
  const known = versionsByName(resources);
  checkRules(strategies, known);
  return [...enabled].flatMap(([name, infos]) => {
    const strategy = rules.get(name) ?? infos[0];
    const storing = nameOf({ ...infos[0]!, group: rules.get(name)?.storedInGroup ?? infos[0]!.group });
    const storage = newest(enabled.get(storing) ?? known.get(storing)!);
    const definition = define(infos, { storage, rules: strategy === infos[0] ? {} : (strategy as Strategy) });
    return definition.versions.length === 0 ? [] : [definition];
  });
}

function checkRules(strategies: readonly Strategy[], known: ReadonlyMap<string, unknown>): void {
  const seen = new Set<string>();
  for (const strategy of strategies) {
    const name = nameOf(strategy);
    const title = strategy.group === '' ? strategy.resource : `${strategy.resource}.${strategy.group}`;
    if (!known.has(name)) throw new DefinitionError(`Cannot serve ${title} as the API has no such resource`);
    if (seen.has(name)) throw new DefinitionError(`Cannot serve ${title} as its rules are there twice`);
    seen.add(name);
  }
}

function nameOf({ group, resource }: { readonly group: string; readonly resource: string }): string {
  return `${group}/${resource}`;
}

function versionsByName(infos: readonly ResourceInfo[]): ReadonlyMap<string, readonly ResourceInfo[]> {
  const versions = new Map<string, ResourceInfo[]>();
  for (const info of infos) versions.set(nameOf(info), [...(versions.get(nameOf(info)) ?? []), info]);
  return versions;
}

function newest(infos: readonly ResourceInfo[]): ResourceInfo {
  return infos.toSorted((a, b) => compareVersions(b.version, a.version))[0]!;
}

function define(
  infos: readonly ResourceInfo[],
  { storage, rules }: { storage: ResourceInfo; rules: Omit<Strategy, 'group' | 'resource'> },
): ResourceDefinition {
  const { group, resource, singular, kind, shortNames, categories, namespaced } = newest(infos);
  const isOwn = storage.group === group;
  return {
    group,
    names: { plural: resource, singular, kind, listKind: `${kind}List`, shortNames, categories },
    namespaced,
    versions: infos.flatMap((info) => {
      const version = versionOf(info, storage, rules.versions?.[info.version] ?? {});
      return version === undefined ? [] : [version];
    }),
    ...(isOwn
      ? {}
      : {
          storedAs: {
            group: storage.group,
            version: storage.version,
            kind: storage.kind,
            schema: typeSchema(storage.type),
          },
        }),
    rules,
  };
}

/** Undefined for one that would need a converter that does not exist. */
function versionOf(info: ResourceInfo, storage: ResourceInfo, rules: VersionRules): ResourceVersion | undefined {
  const converter = info !== storage && rules.stored === apiVersionOf(storage) ? rules.converter : undefined;
  if (info !== storage && converter === undefined && !equalTypes(info.type, storage.type)) return undefined;
  const listType = `${info.type}List`;
  const warning = deprecationWarning(info, rules);
  return {
    name: info.version,
    served: true,
    stored: info === storage,
    type: info.type,
    ...(Object.hasOwn(typeFacts, listType) ? { listType } : {}),
    schema: typeSchema(info.type),
    verbs: info.verbs,
    subresources: info.subresources,
    ...(converter === undefined ? {} : { converter }),
    ...(warning === undefined ? {} : { warning }),
  };
}

/** Source: apiserver `endpoints/deprecation`. */
function deprecationWarning(info: ResourceInfo, { deprecated }: VersionRules): string | undefined {
  if (deprecated === undefined) return undefined;
  const { since, instead } = deprecated;
  return `${apiVersionOf(info)} ${info.kind} is deprecated in ${since}+${instead === undefined ? '' : `; use ${instead}`}`;
}

/** Whether two types have the same fields all the way down, apart from the version in the names of types. */
function equalTypes(a: string, b: string, seen: Set<string> = new Set()): boolean {
  if (a === b || seen.has(`${a} ${b}`)) return true;
  seen.add(`${a} ${b}`);
  const left = typeFacts[a];
  const right = typeFacts[b];
  if (left === undefined || right === undefined || left.fields.length !== right.fields.length) return false;
  return left.fields.every((field, index) => {
    const other = right.fields[index];
    if (other === undefined || field.name !== other.name || field.t !== other.t) return false;
    const [refA, refB] = [namedType(field), namedType(other)];
    if (refA === undefined || refB === undefined) return refA === refB;
    return equalTypes(refA, refB, seen);
  });
}

/** The type that a field holds one or several of. */
function namedType(field: FieldFact): string | undefined {
  const held = field.t === 'list' || field.t === 'map' ? field.of : field;
  return held.t === 'ref' ? held.ref : undefined;
}

/** Metrics are served by an add-on, even though clients know their types: here by rules that work them out. */
const addOnGroups: ReadonlySet<string> = new Set(['metrics.k8s.io']);

function isEnabled(
  info: ResourceInfo,
  config: Readonly<Record<string, boolean>>,
  rules: ReadonlyMap<string, Strategy>,
): boolean {
  if (addOnGroups.has(info.group)) return rules.get(nameOf(info))?.computed !== undefined;
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
