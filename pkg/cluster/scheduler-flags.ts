/** Flags of the scheduler that people may set, whether it is a process of its own or in one with all others, and what they come to. */
import { readFile } from 'node:fs/promises';
import { errorCode } from '#pkg/base/error-code.ts';
import { featureGatesFlag, featuresOf } from '#pkg/component/feature-gates.ts';
import { type FlagTable, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { SchedulerConfiguration } from '#pkg/scheduler/config/configuration.ts';
import type { PluginEntry, Scheduling } from '#pkg/scheduler/framework/plugin-context.ts';

/** The ways of scheduling. */
export const schedulings: readonly Scheduling[] = ['packing', 'spreading'];

/** Unless it is said otherwise. */
export const defaultScheduling: Scheduling = 'packing';

/** The table. */
export const schedulerOptionFlags = {
  scheduling: text({
    help: 'How pods are laid out: packing onto few nodes, or spreading over many as Kubernetes does.',
    fallback: defaultScheduling,
    allowed: schedulings,
  }),
  'scheduler-config': text({
    help: 'A KubeSchedulerConfiguration file: profiles, their plugins with weights and arguments, extenders.',
    placeholder: 'file',
  }),
  ...featureGatesFlag,
} satisfies FlagTable;

/** How a scheduler is started. */
export interface SchedulerSettings {
  readonly scheduling: Scheduling;
  /** Absent: one profile of all plugins. */
  readonly configuration?: SchedulerConfiguration;
  /** Whether pods of a gang are scheduled as a whole. */
  readonly hasGangs?: boolean;
  /** Whether DeviceTaintRules taint devices. */
  readonly hasTaintRules?: boolean;
}

/** What the flags say; those that are not set have their fallbacks. Throws `UserError` for a file that is none or says what cannot be. */
export async function schedulerSettings(
  values: Readonly<Record<string, unknown>>,
  plugins: readonly PluginEntry[],
): Promise<SchedulerSettings> {
  const scheduling = schedulings.find((way) => way === values.scheduling) ?? defaultScheduling;
  const { isOn } = featuresOf(values['feature-gates']);
  const features = { hasGangs: isOn('GangScheduling'), hasTaintRules: isOn('DRADeviceTaintRules') };
  const path = values['scheduler-config'];
  if (typeof path !== 'string' || path === '') return { scheduling, ...features };
  return { scheduling, ...features, configuration: await readConfigurationFile(path, plugins) };
}

async function readConfigurationFile(path: string, plugins: readonly PluginEntry[]): Promise<SchedulerConfiguration> {
  const [{ decodeYaml }, { readConfiguration }] = await Promise.all([
    import('#pkg/apimachinery/decode.ts'),
    import('#pkg/scheduler/config/read-configuration.ts'),
  ]);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new UserError(`Cannot read the scheduler configuration ${path} (${errorCode(error)})`, error);
  }
  const decoded = decodeYaml(bytes, { findDuplicates: true });
  const problem = decoded.ok ? decoded.yamlDuplicates : decoded.error;
  if (!decoded.ok || problem !== undefined)
    throw new UserError(`Cannot read the scheduler configuration ${path} as it is not valid YAML: ${problem}`);
  return readConfiguration(decoded.value, plugins);
}
