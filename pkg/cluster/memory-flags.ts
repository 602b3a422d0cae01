/** Whether containers are kept to some of the machine's memory, and what of it is kept from pods, as flags of a kubelet say. Names are upstream's. */
import { type FlagTable, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { quantityValue } from '#pkg/kubelet/model/amounts.ts';

/** The table. */
export const memoryFlags = {
  'memory-manager-policy': text({
    help: 'With Static, containers of guaranteed pods are kept to as few NUMA nodes as have the memory that they ask for.',
    fallback: 'None',
    allowed: ['None', 'Static'],
  }),
  'reserved-memory': text({
    help: 'Memory of NUMA nodes that no container is promised, such as 0:memory=1Gi,hugepages-2Mi=64Mi;1:memory=2Gi; pods are offered as much less.',
    placeholder: 'node:kind=amount;…',
    problem: (value) => {
      const parsed = parseReserved(value);
      return typeof parsed === 'string' ? `must be such as 0:memory=1Gi;1:memory=2Gi: ${parsed}` : undefined;
    },
  }),
} satisfies FlagTable;

/** Bytes by NUMA node, and then by kind. */
export type ReservedMemory = ReadonlyMap<number, Readonly<Record<string, number>>>;

/** What is kept from pods, and whether containers are kept to the rest by what they ask for. */
export interface MemorySettings {
  readonly isStatic: boolean;
  readonly reserved: ReservedMemory;
}

/** The settings that values of the table stand for; undefined where they say nothing. Throws `UserError` for what does not go together. */
export function memorySettingsOf(values: Readonly<Record<string, unknown>>): MemorySettings | undefined {
  const said = values['reserved-memory'];
  const reserved = parseReserved(typeof said === 'string' ? said : '');
  if (typeof reserved === 'string') throw new UserError(`--reserved-memory: ${reserved}`);
  const isStatic = values['memory-manager-policy'] === 'Static';
  if (isStatic && ![...reserved.values()].some((amounts) => (amounts['memory'] ?? 0) > 0))
    throw new UserError(
      '--memory-manager-policy=Static: needs memory that all others have: name some with --reserved-memory',
    );
  return isStatic || reserved.size > 0 ? { isStatic, reserved } : undefined;
}

/** Or what is wrong with it. Source: kubelet `validateReservedMemoryConfiguration`. */
function parseReserved(value: string): ReservedMemory | string {
  const found = new Map<number, Record<string, number>>();
  for (const part of value.split(';').filter((one) => one.trim() !== '')) {
    const [, id, list] = /^\s*(\d{1,4}):(.+)$/.exec(part) ?? [];
    if (id === undefined || list === undefined) return `${JSON.stringify(part)} names no NUMA node`;
    const amounts = found.get(Number(id)) ?? {};
    found.set(Number(id), amounts);
    for (const entry of list.split(',')) {
      const [kind = '', amount = ''] = entry.trim().split('=');
      const bytes = quantityValue(amount);
      if (!/^(memory|hugepages-\d+(Ki|Mi|Gi))$/.test(kind))
        return `the limit type ${JSON.stringify(kind)} for NUMA node ${id} is not supported, only memory and hugepages-<HugePageSize> are accepted`;
      if (!(bytes > 0) || !Number.isInteger(bytes))
        return `reserved memory may not be zero for NUMA node ${id} and resource ${JSON.stringify(kind)}`;
      if (Object.hasOwn(amounts, kind))
        return `the reserved memory has a duplicate value for NUMA node ${id} and resource ${JSON.stringify(kind)}`;
      amounts[kind] = bytes;
    }
  }
  return found;
}
