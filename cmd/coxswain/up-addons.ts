/** The addons that `coxswain up --addons` names: refused before anything starts, enabled once the cluster is ready. */
import { addonCluster, addonsFor, enableAll } from './addon.ts';
import { withClient } from './cluster-objects.ts';
import type { UpPlan } from './up.ts';

/** Throws `UserError` for names that are no addons, and for addons that cannot be in such a cluster. */
export async function checkAddons({ world, values, folder, settings }: UpPlan): Promise<void> {
  await addonsFor(values.addons, addonCluster(world, settings, folder.path));
}

/** Enables them in the cluster that runs. Throws `UserError`; the cluster goes on then. */
export async function enableNamed({ world, values, folder, settings }: UpPlan): Promise<void> {
  const { addons: names, wait, output } = values;
  const choice = { name: settings.name, dataDir: folder.path, kubeconfig: '' };
  await withClient(world, choice, (client) => {
    const cluster = addonCluster(world, settings, folder.path);
    // What is printed for programs is of the cluster alone.
    return enableAll(world, { names, wait, output: output === '' ? '' : 'none' }, { client, cluster });
  });
}
