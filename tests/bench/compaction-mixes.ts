/** Cells and what runs in them, for `compaction.ts`: two mixes that are generated, and a public trace (`traces/azure-vms-2017.txt`, which names its source and licence). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Random, randomInt } from '#pkg/base/random.ts';

/** CPU in thousandths of a core, memory in MiB. */
export interface Size {
  readonly milliCpu: number;
  readonly mebibytes: number;
}

/** Pods that are alike. */
export interface Workload extends Size {
  readonly replicas: number;
}

/** A cell and what runs in it. */
export interface Mix {
  readonly name: string;
  machine(random: Random): Size;
  /** One workload after the other, for as long as there is any. */
  workloads(random: Random): Iterable<Workload>;
}

const traceFile = join(import.meta.dirname, 'traces', 'azure-vms-2017.txt');

/** One of some values. */
function pick<T>(values: readonly [T, ...T[]], random: Random): T {
  return values[randomInt(random, values.length)] ?? values[0];
}

/** The mixes. */
export const mixes: readonly Mix[] = [
  {
    name: 'one kind of machine, CPU and memory drawn apart',
    machine: () => ({ milliCpu: 32_000, mebibytes: 131_072 }),
    *workloads(random) {
      for (;;) {
        yield {
          replicas: 1 + randomInt(random, 30),
          milliCpu: pick([50, 100, 200, 250, 500, 750, 1_000, 1_500, 2_000, 3_000, 4_000], random),
          mebibytes: pick([64, 128, 256, 512, 1_024, 2_048, 3_072, 4_096, 6_144, 8_192, 16_384], random),
        };
      }
    },
  },
  {
    name: 'four kinds of machines, services and batch',
    machine: (random) =>
      pick(
        [
          { milliCpu: 16_000, mebibytes: 65_536 },
          { milliCpu: 32_000, mebibytes: 65_536 },
          { milliCpu: 32_000, mebibytes: 131_072 },
          { milliCpu: 64_000, mebibytes: 262_144 },
        ],
        random,
      ),
    *workloads(random) {
      for (;;) {
        const isBatch = randomInt(random, 10) < 7;
        const milliCpu = isBatch ? 100 + randomInt(random, 900) : 500 + randomInt(random, 5_500);
        const share = 1 + randomInt(random, 4);
        yield {
          replicas: isBatch ? 1 + randomInt(random, 60) : 2 + randomInt(random, 6),
          milliCpu,
          mebibytes: Math.round(milliCpu * share * (isBatch ? 0.8 : 1.2)),
        };
      }
    },
  },
  {
    // The trace says nothing of its machines.
    name: 'virtual machines of Azure, three kinds of machines',
    machine: (random) =>
      pick(
        [
          { milliCpu: 32_000, mebibytes: 65_536 },
          { milliCpu: 32_000, mebibytes: 131_072 },
          { milliCpu: 32_000, mebibytes: 262_144 },
        ],
        random,
      ),
    workloads: () => readTrace(readFileSync(traceFile, 'utf8')),
  },
];

/** What was asked for, in its order: the machines of one size that a tenant asked for together are a workload. */
export function* readTrace(text: string): Iterable<Workload> {
  const sizes = new Map<string, Size>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [first = '', ...words] = line.split(' ');
    const [letter = '', cpus = '', gibibytes = ''] = words;
    if (first === 'size') sizes.set(letter, { milliCpu: Number(cpus) * 1_000, mebibytes: Number(gibibytes) * 1_024 });
    else for (const word of words) yield* workloadsOf(word, sizes);
  }
}

function* workloadsOf(word: string, sizes: ReadonlyMap<string, Size>): Iterable<Workload> {
  const counts = new Map<string, number>();
  for (const [, count = '', letter = ''] of word.matchAll(/(\d*)([a-z])/g))
    counts.set(letter, (counts.get(letter) ?? 0) + Number(count || 1));
  for (const [letter, replicas] of counts) {
    const size = sizes.get(letter);
    if (size === undefined) throw new Error(`Cannot read the trace as it names a size that it does not say: ${letter}`);
    yield { ...size, replicas };
  }
}
