/** Whether containers can have processors for themselves, as flags of a kubelet say. Names and defaults are upstream's; options that are not built are refused. */
import { type FlagTable, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { parseCpus } from '#pkg/kubelet/cpus/cpu-set.ts';

const wholeCoresOption = 'full-pcpus-only';

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
  if (reserved.length === 0) return undefined;
  return { isStatic, reserved, wholeCores: wholeCores === true };
}

/** Whether only whole cores are given; undefined for options that there are not. */
function optionsOf(value: string): boolean | undefined {
  if (value === '' || value === `${wholeCoresOption}=false`) return false;
  return value === `${wholeCoresOption}=true` ? true : undefined;
}
