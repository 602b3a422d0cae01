/** What `flags` of a cluster for tests say of the versions that its API server serves. */
import type { LocalApiOptions } from '#pkg/cluster/local-api.ts';
import type { TestClusterOptions } from './cluster.ts';

/** The versions beyond the default, with the rights that come with them; nothing where the flags do not name the API server. */
export async function servedVersions({
  flags,
}: Pick<TestClusterOptions, 'flags'>): Promise<Pick<LocalApiOptions, 'grants' | 'runtimeConfig'>> {
  if (flags?.['kube-apiserver'] === undefined) return {};
  const [{ runtimeConfigOf, serverFlagValues }, { onDemandGrants }] = await Promise.all([
    import('#pkg/cluster/server-flags.ts'),
    import('#pkg/cluster/on-demand-grants.ts'),
  ]);
  const runtimeConfig = runtimeConfigOf(serverFlagValues(flags));
  return { runtimeConfig, grants: onDemandGrants(runtimeConfig) };
}
