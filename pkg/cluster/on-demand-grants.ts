/** What components may do that run, or do it, only where a version is switched on, as upstream has their rights only with its feature gates. */
import type { Grant } from '#pkg/registry/rbac/policy/default-policy.ts';
import { accountSubject } from './pki.ts';

const migrator = 'storage-version-migrator-controller';
const evictor = 'device-taint-eviction-controller';
const collector = 'storage-version-garbage-collector';
/** Alpha: only on demand. */
const storageVersionsVersion = 'internal.apiserver.k8s.io/v1alpha1';

/** Whether a server serves StorageVersions, and tells of itself in them. Source: upstream's feature gate `StorageVersionAPI`. */
export function servesStorageVersions(runtimeConfig: Readonly<Record<string, boolean>>): boolean {
  const own = runtimeConfig[storageVersionsVersion];
  return own ?? runtimeConfig['api/alpha'] ?? runtimeConfig['api/all'] ?? false;
}

/** The grants of a server's `--runtime-config`. Source: `bootstrappolicy/controller_policy.go`, `bootstrappolicy/policy.go`. */
export function onDemandGrants(runtimeConfig: Readonly<Record<string, boolean>>): readonly Grant[] {
  const grants: Grant[] = [];
  const isServed = (...names: readonly string[]): boolean => names.some((name) => runtimeConfig[name]);
  if (isServed('storagemigration.k8s.io/v1beta1', 'api/beta', 'api/all')) {
    const rules = [
      'list,patch * *',
      'get,list,watch storagemigration.k8s.io storageversionmigrations',
      'update storagemigration.k8s.io storageversionmigrations/status',
    ];
    grants.push({ role: `system:controller:${migrator}`, user: accountSubject(migrator).commonName, rules });
  }
  if (servesStorageVersions(runtimeConfig)) {
    const rules = [
      'get,list,watch coordination.k8s.io leases',
      'delete,get,list,watch internal.apiserver.k8s.io storageversions',
      'update internal.apiserver.k8s.io storageversions/status',
    ];
    grants.push({ role: `system:controller:${collector}`, user: accountSubject(collector).commonName, rules });
  }
  if (isServed('scheduling.k8s.io/v1alpha2', 'api/alpha', 'api/all')) {
    const rules = [
      'get,list,watch scheduling.k8s.io podgroups,workloads',
      'patch,update scheduling.k8s.io podgroups/status',
    ];
    grants.push({ role: 'system:kube-scheduler:podgroups', user: 'system:kube-scheduler', rules });
  }
  if (isServed('resource.k8s.io/v1beta2', 'api/beta', 'api/all')) {
    const reads = 'get,list,watch resource.k8s.io devicetaintrules';
    grants.push({ role: 'system:kube-scheduler:devicetaintrules', user: 'system:kube-scheduler', rules: [reads] });
    const rules = [reads, 'patch resource.k8s.io devicetaintrules/status'];
    const user = accountSubject(evictor).commonName;
    grants.push({ role: `system:controller:${evictor}:devicetaintrules`, user, rules });
  }
  return grants;
}
