/** The flag of kubelets by which pods may set more parameters of the kernel than those that do no harm. Its name is upstream's. */
import { type FlagTable, text } from '#pkg/component/flags.ts';

const pattern = /^[a-z0-9][-_a-z0-9]*([./][a-z0-9][-_a-z0-9]*)*([./]\*|\*)?$/;

/** The table. */
export const sysctlFlags = {
  'allowed-unsafe-sysctls': text({
    help: 'Parameters of the kernel that pods may set besides the safe ones, with commas between them; those that end with * stand for all that begin so.',
    placeholder: 'name,…',
    problem: (value) =>
      allowedSysctlsOf({ 'allowed-unsafe-sysctls': value }).every((one) => pattern.test(one))
        ? undefined
        : 'must be such as kernel.msg*,net.core.somaxconn',
  }),
} satisfies FlagTable;

/** The names that values of the table have. */
export function allowedSysctlsOf(values: Readonly<Record<string, unknown>>): readonly string[] {
  const value = values['allowed-unsafe-sysctls'];
  return typeof value === 'string' ? value.split(',').filter((one) => one !== '') : [];
}
