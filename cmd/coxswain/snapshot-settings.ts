/** What a cluster is made of after a snapshot was restored: what its folder says, else what the snapshot says, on the store that is asked for. */
import { resolve } from 'node:path';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { type EtcdFiles, etcdFilesOf } from '#pkg/cluster/etcd-files.ts';
import {
  type ClusterAddresses,
  type ClusterSettings,
  defaultSettings,
  settingsProblem,
} from '#pkg/cluster/settings.ts';
import { etcdFilesProblem } from '#pkg/cluster/stores.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { SnapshotHeader } from '#pkg/storage/snapshot/snapshot-format.ts';
import type { ClusterRecord } from './folder.ts';
import { isName } from './world.ts';

/** The settings that a snapshot has. Throws `UserError` where they are none. */
export function savedSettings({ settings }: SnapshotHeader, path: string): ClusterSettings {
  const saved = { ...defaultSettings, ...settings };
  const problem = settingsProblem(saved) ?? (isName(saved.name) ? undefined : 'name is no name');
  if (problem !== undefined) throw new UserError(`Cannot restore ${path} as its settings are no cluster's: ${problem}`);
  return saved;
}

/** The settings on another store. Throws `UserError` where they do not fit together. */
export function settingsOnStore(settings: ClusterSettings, store: string, files: EtcdFiles): ClusterSettings {
  if (store === '') return settings;
  const others = Object.entries(settings).filter(([field]) => !Object.hasOwn(etcdFilesOf(settings), field));
  const result: ClusterSettings = { ...defaultSettings, ...Object.fromEntries(others), store, ...absolute(files) };
  const problem = etcdFilesProblem(store, result) ?? settingsProblem(result);
  if (problem !== undefined) throw new UserError(`Cannot use --store ${store} as given: ${problem}`);
  return result;
}

/** Paths as the next start finds them, which may be in another folder. */
function absolute({ etcdUsername, ...files }: EtcdFiles): EtcdFiles {
  const paths = Object.entries(etcdFilesOf(files)).map(([field, path]) => [field, path && resolve(String(path))]);
  const named = [...paths, ['etcdUsername', etcdUsername]].filter(([, value]) => value !== undefined && value !== '');
  return Object.fromEntries(named);
}

/** What the record says of addresses that the restored objects have and the cluster no longer. */
export function movedAddresses(saved: ClusterSettings, settings: ClusterSettings): Pick<ClusterRecord, 'renumberFrom'> {
  const addressesOf = ({ nodeAddress, podCidr, serviceCidr }: ClusterSettings): ClusterAddresses => {
    return { nodeAddress, podCidr, serviceCidr };
  };
  const from = addressesOf(saved);
  return deepEqual(from, addressesOf(settings)) ? {} : { renumberFrom: [from] };
}
