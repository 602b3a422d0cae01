/** Which resource a key of the store is of. */
import { resources } from '#pkg/api/resources.ts';
import { storagePrefix } from '#pkg/apiserver/storage/storage-key.ts';
import { strategies } from '#pkg/registry/table.ts';
import type { GuardedResource } from '#pkg/storage/encryption/guarded-keys.ts';

/** Makes the function; undefined for a key that is of no resource. */
export function storedResources(): (key: string) => GuardedResource | undefined {
  const rules = new Map(strategies.map((strategy) => [`${strategy.group}/${strategy.resource}`, strategy.keeping]));
  const byPrefix = new Map<string, GuardedResource>();
  for (const { group, resource } of resources) {
    const prefix = storagePrefix({ resource }, rules.get(`${group}/${resource}`));
    // Events are stored once, and as upstream says they are of the core.
    if (!byPrefix.has(prefix) || group === '') byPrefix.set(prefix, { group, resource });
  }
  return (key) => {
    const [, root, first = '', second = ''] = key.split('/', 4);
    if (root !== 'registry') return undefined;
    const known = byPrefix.get(`/registry/${first}/`) ?? byPrefix.get(`/registry/${first}/${second}/`);
    if (known !== undefined) return known;
    // What is defined by data is below its group.
    return first.includes('.') ? { group: first, resource: second } : undefined;
  };
}
