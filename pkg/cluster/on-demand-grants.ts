/** What controllers may do that run only where a version is switched on, as upstream has their roles only with its feature gates. */
import type { Grant } from '#pkg/registry/rbac/policy/default-policy.ts';
import { accountSubject } from './pki.ts';

const migrator = 'storage-version-migrator-controller';

/** The grants of a server's `--runtime-config`. Source: `bootstrappolicy/controller_policy.go`. */
export function onDemandGrants(runtimeConfig: Readonly<Record<string, boolean>>): readonly Grant[] {
  const isServed = ['storagemigration.k8s.io/v1beta1', 'api/beta', 'api/all'].some((name) => runtimeConfig[name]);
  if (!isServed) return [];
  const rules = [
    'list,patch * *',
    'get,list,watch storagemigration.k8s.io storageversionmigrations',
    'update storagemigration.k8s.io storageversionmigrations/status',
  ];
  return [{ role: `system:controller:${migrator}`, user: accountSubject(migrator).commonName, rules }];
}
