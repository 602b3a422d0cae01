/** Flags of the scheduler that people may set, whether it is a process of its own or in one with all others, and what they come to. */
import { readFile } from 'node:fs/promises';
import { errorCode } from '#pkg/base/error-code.ts';
import { type FlagTable, list, text } from '#pkg/component/flags.ts';
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
  'feature-gates': list({
    help: 'Features that are off by default: GenericWorkload and GangScheduling, with which pods of a gang are scheduled as a whole. The API server must serve scheduling.k8s.io/v1alpha2.',
    placeholder: 'NAME=true,…',
  }),
} satisfies FlagTable;

/** Features of upstream's that there are here. The second needs the first. */
const gates: readonly string[] = ['GenericWorkload', 'GangScheduling'];

/** How a scheduler is started. */
export interface SchedulerSettings {
  readonly scheduling: Scheduling;
  /** Absent: one profile of all plugins. */
  readonly configuration?: SchedulerConfiguration;
  /** Whether pods of a gang are scheduled as a whole. */
  readonly hasGangs?: boolean;
}

/** What the flags say; those that are not set have their fallbacks. Throws `UserError` for a file that is none or says what cannot be. */
export async function schedulerSettings(
  values: Readonly<Record<string, unknown>>,
  plugins: readonly PluginEntry[],
): Promise<SchedulerSettings> {
  const scheduling = schedulings.find((way) => way === values.scheduling) ?? defaultScheduling;
  const hasGangs = hasGangsBy(values['feature-gates']);
  const path = values['scheduler-config'];
  if (typeof path !== 'string' || path === '') return { scheduling, hasGangs };
  return { scheduling, hasGangs, configuration: await readConfigurationFile(path, plugins) };
}

/** `given`: words as the flag has them, or the text of it. */
function hasGangsBy(given: unknown): boolean {
  const words = typeof given === 'string' ? given.split(',').filter((word) => word !== '') : given;
  const on = new Set<string>();
  for (const word of Array.isArray(words) ? words : []) {
    const [, name = '', value] = /^(\w+)=(true|false)$/.exec(String(word)) ?? [];
    if (!gates.includes(name))
      throw new UserError(
        `--feature-gates: ${JSON.stringify(word)} is none of ${gates.join(', ')} with =true or =false`,
      );
    if (value === 'true') on.add(name);
    else on.delete(name);
  }
  if (on.has('GangScheduling') && !on.has('GenericWorkload'))
    throw new UserError('--feature-gates: GangScheduling needs GenericWorkload=true');
  return on.has('GangScheduling');
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
