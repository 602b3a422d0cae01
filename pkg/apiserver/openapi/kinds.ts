/**
 * Which kinds a type is, as the documents say of it. Source: the published OpenAPI of Kubernetes, `x-kubernetes-group-version-kind`.
 */
import { kindFacts } from '#pkg/api/facts.ts';

interface Kind {
  readonly group: string;
  readonly kind: string;
  readonly version: string;
}

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
/** Of these each group and version has its own kind. */
const everywhere: readonly string[] = ['DeleteOptions', 'WatchEvent'];
/** Groups whose kinds no client sends options for. */
const withoutOptions: ReadonlySet<string> = new Set(['apidiscovery.k8s.io', 'meta.k8s.io', 'metrics.k8s.io']);
/** Versions that upstream knows, though no kind of theirs is served any more. */
const formerVersions: readonly string[] = [
  'apiextensions.k8s.io/v1beta1',
  'apiregistration.k8s.io/v1',
  'apiregistration.k8s.io/v1beta1',
  'apps/v1beta1',
  'apps/v1beta2',
  'batch/v1beta1',
  'discovery.k8s.io/v1beta1',
  'extensions/v1beta1',
  'imagepolicy.k8s.io/v1alpha1',
  'internal.apiserver.k8s.io/v1alpha1',
  'rbac.authorization.k8s.io/v1beta1',
  'scheduling.k8s.io/v1beta1',
];

let byType: ReadonlyMap<string, readonly Kind[]> | undefined;

/** All kinds that a type is; none for one that is only a part of others. */
export function kindsOf(typeName: string): readonly Kind[] {
  byType ??= collect();
  return byType.get(typeName) ?? [];
}

function collect(): ReadonlyMap<string, readonly Kind[]> {
  const kinds = new Map<string, Kind[]>();
  const versions = new Set(formerVersions);
  for (const { group, version, kind, type } of Object.values(kindFacts)) {
    // What all groups have in common is of none.
    const own = { group: group === 'meta.k8s.io' ? '' : group, kind, version };
    kinds.set(type, [...(kinds.get(type) ?? []), own]);
    if (!withoutOptions.has(group)) versions.add(`${group}/${version}`);
  }
  for (const kind of everywhere) {
    const all = [...versions].sort().map((name) => {
      const [group = '', version = ''] = name.split('/');
      return { group, kind, version };
    });
    kinds.set(`${meta}.${kind}`, all);
  }
  return kinds;
}
