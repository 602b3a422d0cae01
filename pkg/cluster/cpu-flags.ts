/** Whether containers can have processors for themselves, and have them near to their devices, as flags of a kubelet say. Names and defaults are upstream's; options that are not built are refused. */
import { type FlagTable, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { parseCpus } from '#pkg/kubelet/cpus/cpu-set.ts';
import type { TopologyPolicy } from '#pkg/kubelet/topology/numa-hints.ts';
import type { TopologySettings } from '#pkg/kubelet/topology/topology-manager.ts';

const wholeCoresOption = 'full-pcpus-only';
const policies: readonly TopologyPolicy[] = ['best-effort', 'restricted', 'single-numa-node'];

/** The table. */
export const cpuFlags = {
  'cpu-manager-policy': text({
    help: 'With static, containers of guaranteed pods that ask for whole processors have them for themselves.',
    fallback: 'none',
    allowed: ['none', 'static'],
  }),
  'cpu-manager-policy-options': text({
    help: `Options of the policy static: ${wholeCoresOption}=true gives whole cores alone.`,
    placeholder: 'option=value',
    problem: (value) => (optionsOf(value) === undefined ? `must be ${wholeCoresOption}=true or =false` : undefined),
  }),
  'topology-manager-policy': text({
    help: 'What becomes of a pod whose processors and devices cannot be near each other.',
    fallback: 'none',
    allowed: ['none', ...policies],
  }),
  'topology-manager-scope': text({
    help: 'Whether they are near each other in each container or in the whole pod.',
    fallback: 'container',
    allowed: ['container', 'pod'],
  }),
  'reserved-cpus': text({
    help: 'Processors that no container has for itself, such as 0-1; pods are offered as many fewer.',
    placeholder: 'list',
    problem: (value) => (value === '' || parseCpus(value) !== undefined ? undefined : 'must be such as 0-2,7'),
  }),
} satisfies FlagTable;

/** Which processors are kept from pods, and whether containers can have others for themselves. */
export interface CpuSettings {
  readonly isStatic: boolean;
  readonly reserved: readonly number[];
  readonly wholeCores: boolean;
  /** Absent: it does not matter where things are. */
  readonly topology?: Pick<TopologySettings, 'isForPods' | 'policy'>;
}

/** The settings that values of the table stand for; undefined where they say nothing. Throws `UserError` for what does not go together. */
export function cpuSettingsOf(values: Readonly<Record<string, unknown>>): CpuSettings | undefined {
  const textOf = (name: keyof typeof cpuFlags): string => {
    const value = values[name];
    return typeof value === 'string' ? value : '';
  };
  const isStatic = textOf('cpu-manager-policy') === 'static';
  const reserved = textOf('reserved-cpus') === '' ? [] : (parseCpus(textOf('reserved-cpus')) ?? []);
  const wholeCores = optionsOf(textOf('cpu-manager-policy-options'));
  if (wholeCores !== undefined && textOf('cpu-manager-policy-options') !== '' && !isStatic)
    throw new UserError('--cpu-manager-policy-options: needs --cpu-manager-policy=static');
  if (isStatic && reserved.length === 0)
    throw new UserError(
      '--cpu-manager-policy=static: needs processors that all others share: name some with --reserved-cpus',
    );
  const policy = policies.find((one) => one === textOf('topology-manager-policy'));
  if (reserved.length === 0 && policy === undefined) return undefined;
  const isForPods = textOf('topology-manager-scope') === 'pod';
  const topology = policy === undefined ? {} : { topology: { policy, isForPods } };
  return { isStatic, reserved, wholeCores: wholeCores === true, ...topology };
}

/** Whether only whole cores are given; undefined for options that there are not. */
function optionsOf(value: string): boolean | undefined {
  if (value === '' || value === `${wholeCoresOption}=false`) return false;
  return value === `${wholeCoresOption}=true` ? true : undefined;
}
