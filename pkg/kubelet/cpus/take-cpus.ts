/** Which processors a container gets for itself: near each other, and so that as many cores and sockets as can be stay whole. Pure. Source: kubelet `cm/cpumanager/cpu_assignment.go`. */

/** A processor, as programs see it, and where it is. */
export interface Cpu {
  readonly id: number;
  /** Threads of a core share its number; no other core of the machine has it. */
  readonly core: string;
  readonly socket: string;
  /** Memory that is near, such as `node0`. */
  readonly numa: string;
}

/** The number of such a name. */
export function numaNumber(numa: string): number {
  return Number(numa.replace('node', ''));
}

type Level = 'core' | 'numa' | 'socket';

/** So many of those that are free, of a machine with all of these; undefined where there are fewer. */
export function takeCpus(
  count: number,
  { all, free }: { readonly all: readonly Cpu[]; readonly free: ReadonlySet<number> },
): readonly number[] | undefined {
  if (free.size < count) return undefined;
  const left = new Map(all.filter(({ id }) => free.has(id)).map((cpu) => [cpu.id, cpu]));
  const taken: Cpu[] = [];
  const take = (cpus: readonly Cpu[]): void => {
    for (const cpu of cpus) {
      left.delete(cpu.id);
      taken.push(cpu);
    }
  };
  const whole = (level: Level): void => {
    const sizes = countsBy(all, level);
    for (;;) {
      const fits = groupsBy([...left.values()], level).filter(
        ([name, cpus]) => cpus.length === sizes.get(name) && cpus.length <= count - taken.length,
      );
      const [best] = fits.flatMap(([, [first]]) => first ?? []).toSorted((a, b) => nearness({ taken, left }, a, b));
      if (best === undefined) return;
      take([...left.values()].filter((cpu) => cpu[level] === best[level]));
    }
  };
  const large = (['numa', 'socket'] as const).toSorted((a, b) => largest(all, b) - largest(all, a));
  for (const level of [...large, 'core'] as const) whole(level);
  while (taken.length < count) {
    const [next] = [...left.values()].toSorted((a, b) => {
      const cores = countsBy([...left.values()], 'core');
      // What is left of a core that somebody has a part of goes first.
      return (
        sameAs(taken, b, 'core') - sameAs(taken, a, 'core') ||
        (cores.get(a.core) ?? 0) - (cores.get(b.core) ?? 0) ||
        nearness({ taken, left }, a, b)
      );
    });
    if (next === undefined) return undefined;
    take([next]);
  }
  return taken.map(({ id }) => id).sort((a, b) => a - b);
}

/** Those near to what was taken already first, then those of which least is left around them, then by number. */
function nearness(
  { taken, left }: { readonly taken: readonly Cpu[]; readonly left: ReadonlyMap<number, Cpu> },
  a: Cpu,
  b: Cpu,
): number {
  const sockets = countsBy([...left.values()], 'socket');
  return (
    sameAs(taken, b, 'numa') - sameAs(taken, a, 'numa') ||
    sameAs(taken, b, 'socket') - sameAs(taken, a, 'socket') ||
    (sockets.get(a.socket) ?? 0) - (sockets.get(b.socket) ?? 0) ||
    a.id - b.id
  );
}

function sameAs(taken: readonly Cpu[], cpu: Cpu, level: Level): number {
  return taken.some((one) => one[level] === cpu[level]) ? 1 : 0;
}

function groupsBy(cpus: readonly Cpu[], level: Level): readonly (readonly [string, readonly Cpu[]])[] {
  return [...Map.groupBy(cpus, (cpu) => cpu[level])];
}

function countsBy(cpus: readonly Cpu[], level: Level): ReadonlyMap<string, number> {
  return new Map(groupsBy(cpus, level).map(([name, group]) => [name, group.length]));
}

function largest(cpus: readonly Cpu[], level: Level): number {
  return Math.max(0, ...countsBy(cpus, level).values());
}
