/** Lists of processors as the kernel writes them, such as `0-2,7`. Pure. Source: cpuset(7), "List format". */

/** Highest number of a processor that is taken: more than any kernel has. */
const cpuMax = 65_535;

/** Numbers of processors, each once, in their order; undefined for text that is no list. */
export function parseCpus(text: string): readonly number[] | undefined {
  const found = new Set<number>();
  for (const part of text.trim().split(',')) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim());
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? first);
    if (last < first || last > cpuMax) return undefined;
    for (let id = first; id <= last; id++) found.add(id);
  }
  return [...found].sort((a, b) => a - b);
}

/** The list of these processors. */
export function formatCpus(cpus: Iterable<number>): string {
  const ranges: [number, number][] = [];
  for (const id of [...new Set(cpus)].sort((a, b) => a - b)) {
    const range = ranges.at(-1);
    if (range?.[1] === id - 1) range[1] = id;
    else ranges.push([id, id]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}
