/** Limits of a container in the terms of an OCI runtime, which turns them into those of the machine's cgroup version. Pure. */
import type { ContainerResources } from '../../container-config.ts';
import type { OciResources } from './oci-types.ts';

const kibibyte = 1024;

/** Limits; what is not named is left as it is. */
export function ociResources(resources: ContainerResources): OciResources {
  const { cpuShares, cpuQuotaUs, cpuPeriodUs, cpusetCpus, cpusetMems } = resources;
  const { memoryLimitBytes, memorySwapLimitBytes, pidsMax, hugepageLimits } = resources;
  const cpu = defined({
    shares: cpuShares,
    quota: cpuQuotaUs,
    period: cpuPeriodUs,
    cpus: cpusetCpus,
    mems: cpusetMems,
  });
  const memory = defined({ limit: memoryLimitBytes, swap: memorySwapLimitBytes });
  const pages = Object.entries(hugepageLimits ?? {});
  return {
    ...(Object.keys(cpu).length === 0 ? {} : { cpu }),
    ...(Object.keys(memory).length === 0 ? {} : { memory }),
    ...(pidsMax === undefined ? {} : { pids: { limit: pidsMax } }),
    ...(pages.length === 0
      ? {}
      : { hugepageLimits: pages.map(([size, limit]) => ({ pageSize: kernelPageSize(size), limit })) }),
  };
}

/** `2Mi` as the kernel names it: `2MB`. Source: `cgroups.GetHugePageSize` of runc. */
export function kernelPageSize(size: string): string {
  const match = /^(\d+)(Ki|Mi|Gi)$/.exec(size);
  if (match === null) return size;
  const [, count = '', unit = ''] = match;
  const units = ['Ki', 'Mi', 'Gi'];
  let amount = Number(count);
  let index = units.indexOf(unit);
  while (amount >= kibibyte && amount % kibibyte === 0 && index < units.length - 1) {
    amount /= kibibyte;
    index++;
  }
  return `${amount}${units[index]?.charAt(0)}B`;
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends object>(fields: T): Defined<T> {
  const kept: Defined<T> = {};
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) Object.assign(kept, { [name]: value });
  return kept;
}
