/** What `flags` of a cluster for tests say of its API server: the versions that it serves, and its features. */
import type { LocalApiOptions } from '#pkg/cluster/local-api.ts';
import type { TestClusterOptions } from './cluster.ts';

/** The versions beyond the default, with the rights that come with them, and the features; nothing where the flags do not name the API server. */
export async function serverOptions({
  flags,
}: Pick<TestClusterOptions, 'flags'>): Promise<Pick<LocalApiOptions, 'features' | 'grants' | 'runtimeConfig'>> {
  if (flags?.['kube-apiserver'] === undefined) return {};
  const [{ runtimeConfigOf, serverFlagValues }, { onDemandGrants }, { featuresOf }] = await Promise.all([
    import('#pkg/cluster/server-flags.ts'),
    import('#pkg/cluster/on-demand-grants.ts'),
    import('#pkg/component/feature-gates.ts'),
  ]);
  const values = serverFlagValues(flags);
  const runtimeConfig = runtimeConfigOf(values);
  return { runtimeConfig, grants: onDemandGrants(runtimeConfig), features: featuresOf(values['feature-gates']) };
}
