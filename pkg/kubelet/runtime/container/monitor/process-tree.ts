/** Processes of the machine as /proc has them: what a command has started, and what is in a cgroup. */
import { readdirSync, readFileSync } from 'node:fs';

/** A process, its parent and its session. */
export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  /** In ticks since the machine's start: with the number it names a process for good. */
  readonly startTicks: number;
}

/** A process; undefined where there is none of this number. */
export function processEntry(pid: number): ProcessEntry | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name of the program, in brackets, may have anything in it.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [state, parent, , session] = fields;
    if (state === 'Z' || state === 'X') return undefined;
    return { pid, parent: Number(parent), session: Number(session), startTicks: Number(fields[19]) };
  } catch {
    return undefined;
  }
}

/** Those that live among the processes in cgroups, each by the path of its folder. */
export function processesIn(cgroups: readonly string[]): readonly ProcessEntry[] {
  const pids = new Set<number>();
  for (const folder of cgroups) for (const pid of pidsBelow(folder)) pids.add(pid);
  return [...pids].flatMap((pid) => processEntry(pid) ?? []);
}

function pidsBelow(folder: string): readonly number[] {
  try {
    const own = readFileSync(`${folder}/cgroup.procs`, 'latin1');
    const below = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [
      ...own
        .split('\n')
        .filter((line) => line !== '')
        .map(Number),
      ...below.flatMap(({ name }) => pidsBelow(`${folder}/${name}`)),
    ];
  } catch {
    // It has gone.
    return [];
  }
}

/** A command's process with all that it has started, which may have left it: those of its session and their children. */
export function treeOf(root: number, all: readonly ProcessEntry[]): readonly number[] {
  const tree = new Set([root]);
  for (let before = 0; before < tree.size; ) {
    before = tree.size;
    for (const { pid, parent, session } of all) if (tree.has(parent) || session === root) tree.add(pid);
  }
  return [...tree];
}
