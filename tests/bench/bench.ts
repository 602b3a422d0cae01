/** What each way of measuring has at hand. */
import process from 'node:process';
import { ownCheckout, precompile } from './checkout.ts';
import type { Clients } from './clients.ts';
import { startCluster } from './cluster.ts';
import type { BenchOptions } from './options.ts';
import type { Server } from './server.ts';
import { measureStarts, type Program, type StartsRow } from './starts.ts';

/** How long a cluster rests before its memory is measured once more: it gives memory back when it is not busy. */
export const restMs = 15_000;

/** One run of the benchmark. */
export interface Bench {
  readonly options: BenchOptions;
  readonly clients: Clients;
  /** Aborted on an interrupt. */
  readonly signal: AbortSignal;
  /** What ends when the benchmark does, what was begun last first. */
  readonly ending: AsyncDisposableStack;
}

/** This checkout's program, under the name it has in reports. */
export const ours: Program = { name: 'here', checkout: ownCheckout };

/** Whether a row is to be measured. */
export function wants({ options }: Bench, name: string): boolean {
  return options.only.some((text) => name.includes(text));
}

/** Prints to the standard output. */
export function print(text: string): void {
  process.stdout.write(text);
}

/** Starts a cluster of a program, which ends with the benchmark, and says how long that took. */
export async function startFor(bench: Bench, program: Program): Promise<Server> {
  const { store, profile, audit } = bench.options;
  const isOurs = program === ours;
  const { checkout, name } = program;
  const { signal } = bench;
  const cluster = await startCluster({ checkout, name, store, audit, signal, ...(isOurs && { profile }) });
  bench.ending.defer(cluster.stop);
  return cluster;
}

/** The rows about starts of programs, when they are asked for. */
export async function startRows(bench: Bench, programs: readonly Program[]): Promise<readonly StartsRow[]> {
  const { clients, signal } = bench;
  const { store, audit, sizes, starts: rounds, peakPods } = bench.options;
  if (rounds === 0) return [];
  for (const { checkout } of programs) await precompile(checkout, signal);
  const isWanted = (name: string): boolean => wants(bench, name);
  return measureStarts({ clients, programs, store, audit, rounds, sizes, wants: isWanted, peakPods, signal });
}

/** A server that somebody else started and will end. */
export function serverOf(kubeconfig: string): Server {
  return { kubeconfig, pids: async () => [], stop: async () => {} };
}
