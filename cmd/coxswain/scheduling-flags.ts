/** The flags of commands that reckon as the scheduler does, and the simulation that they say. */
import { schedulerOptionFlags, schedulerSettings } from '#pkg/cluster/scheduler-flags.ts';
import { clusterTables } from '#pkg/cluster/tables.ts';
import { type FlagTable, type FlagValues, text } from '#pkg/component/flags.ts';
import { ObjectSet } from '#pkg/scheduler/offline/object-set.ts';
import { Simulation } from '#pkg/scheduler/offline/simulation.ts';
import { clusterFlags } from './cluster-flags.ts';
import { ClusterFolder } from './folder.ts';
import { outputFlag } from './output.ts';
import { dataFolder, type World } from './world.ts';

/** The table. */
export const schedulingFlags = {
  ...clusterFlags,
  kubeconfig: text({
    help: 'Kubeconfig of another cluster, in place of the one that --name says.',
    placeholder: 'file',
  }),
  scheduling: text({
    help: 'How pods are laid out. Default: as in the cluster, else packing.',
    allowed: ['', 'packing', 'spreading'],
    placeholder: schedulerOptionFlags.scheduling.placeholder ?? '',
  }),
  'scheduler-config': text({
    help: 'A KubeSchedulerConfiguration file. Default: the one of the cluster.',
    placeholder: 'file',
  }),
  'feature-gates': text({
    help: 'GenericWorkload=true,GangScheduling=true: pods of a gang are scheduled as a whole; DRADeviceTaintRules=true: DeviceTaintRules keep pods off devices. Default: as in the cluster.',
    placeholder: schedulerOptionFlags['feature-gates'].placeholder ?? '',
  }),
  output: outputFlag,
} satisfies FlagTable;

/** The values of the table. */
export type SchedulingValues = FlagValues<typeof schedulingFlags>;

/** A simulation without objects, and the set that they are to be put into before it is loaded. */
export async function simulationOf(
  world: World,
  values: SchedulingValues,
): Promise<{ readonly simulation: Simulation; readonly objects: ObjectSet }> {
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const record = values.kubeconfig === '' ? await folder.read() : undefined;
  const ofCluster = record?.settings.componentFlags['kube-scheduler'] ?? {};
  const names = ['scheduling', 'scheduler-config', 'feature-gates'] as const;
  const given = names.map((name) => [name, values[name]] as const);
  const said = Object.fromEntries(given.filter(([, value]) => value !== ''));
  const table = await clusterTables.schedulerPlugins();
  const settings = await schedulerSettings({ ...ofCluster, ...said }, table);
  const objects = new ObjectSet();
  return { objects, simulation: new Simulation({ objects, table, ...settings }) };
}
