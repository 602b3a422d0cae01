/** What other servers have, in the form of aggregated discovery, made of the lists that they give. Source: apiserver `discovery/aggregated` `ConvertAPIGroupResources`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { RemoteVersion } from '../aggregation.ts';

/** Whether what is told of a version is as its server has it now. */
export function isFresh(remote: RemoteVersion | undefined): boolean {
  return remote === undefined || (remote.isAvailable && remote.resources !== undefined);
}

/** The resources, each with its subresources. */
export function remoteDiscovery({ group, version, resources = [] }: RemoteVersion): readonly object[] {
  const kindOf = (one: JsonObject): object => ({
    group: typeof one.group === 'string' && one.group !== '' ? one.group : group,
    version: typeof one.version === 'string' && one.version !== '' ? one.version : version,
    kind: one.kind,
  });
  const parent = (one: JsonObject): string => String(one.name).split('/')[0] ?? '';
  const isMain = (one: JsonObject): boolean => !String(one.name).includes('/');
  return resources.filter(isMain).map((one) => {
    const below = resources.filter((other) => !isMain(other) && parent(other) === one.name);
    return {
      resource: one.name,
      responseKind: kindOf(one),
      scope: one.namespaced === true ? 'Namespaced' : 'Cluster',
      singularResource: one.singularName ?? '',
      verbs: one.verbs,
      ...(one.shortNames === undefined ? {} : { shortNames: one.shortNames }),
      ...(one.categories === undefined ? {} : { categories: one.categories }),
      ...(below.length === 0
        ? {}
        : {
            subresources: below.map((sub) => ({
              subresource: String(sub.name).slice(parent(sub).length + 1),
              responseKind: kindOf(sub),
              verbs: sub.verbs,
            })),
          }),
    };
  });
}
