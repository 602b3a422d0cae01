/**
 * What parts of a cluster may do that upstream has no role for: a component, a controller or a scheduler plugin that somebody adds says it in its own
 * entry (`rights`), and has it from the start, as the others have theirs.
 */
import type { Grant } from '#pkg/registry/rbac/policy/default-policy.ts';
import { accountSubject } from './pki.ts';
import { type ClusterTables, clusterTables } from './tables.ts';

const scheduler = 'system:kube-scheduler';

/** The rights of all entries. Tables that are the usual ones are not looked at: their entries have upstream's roles. */
export async function grantsOf(tables: ClusterTables): Promise<readonly Grant[]> {
  const grants: Grant[] = [];
  const add = (role: string, user: string, rules: readonly string[] | undefined): void => {
    if (rules !== undefined) grants.push({ role, user, rules });
  };
  for (const [name, { identity, perNode, rights }] of Object.entries(tables.components))
    if (identity !== undefined && !perNode) add(`system:coxswain:${name}`, identity.subject('').commonName, rights);
  if (tables.controllers !== clusterTables.controllers) {
    const [{ accountOf }, controllers] = await Promise.all([
      import('#pkg/controllers/common/controller-accounts.ts'),
      tables.controllers(),
    ]);
    for (const [name, entry] of Object.entries(controllers)) {
      const account = accountOf(name);
      if (typeof entry !== 'function' && account !== undefined)
        add(`system:controller:${account}`, accountSubject(account).commonName, entry.rights);
    }
  }
  if (tables.schedulerPlugins !== clusterTables.schedulerPlugins) {
    const rules = (await tables.schedulerPlugins()).flatMap(({ rights = [] }) => rights);
    if (rules.length > 0) add('system:coxswain:scheduler-plugins', scheduler, rules);
  }
  return grants;
}
