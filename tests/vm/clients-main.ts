/**
 * Steady clients in a process of their own, so that whoever moves the machine they ask does not keep them waiting: `node tests/vm/clients-main.ts OPTIONS…`, the options of a client each, as JSON. For each
 * line of its input, a number, it writes one of JSON once every client has had so many more answers or has found what is wrong. It ends with its input.
 */
import process from 'node:process';
import { createInterface } from 'node:readline';
import { type Seen, SteadyClient, type SteadyOptions } from './steady-client.ts';

/** What the clients have seen since they were asked before. */
export interface SeenByAll {
  /** The longest that one of them waited for an answer. */
  readonly longestMs: number;
  /** Since the start, in the order in which they were given. */
  readonly seen: readonly Seen[];
}

const lookMs = 5;

const clients = process.argv.slice(2).map((text) => {
  const options: SteadyOptions = JSON.parse(text);
  return new SteadyClient(options);
});

async function haveMore(more: number): Promise<void> {
  const before = clients.map(({ seen }) => seen.answers);
  const isBehind = ({ seen }: SteadyClient, at: number): boolean =>
    seen.problems.length === 0 && seen.answers < (before[at] ?? 0) + more;
  while (clients.some(isBehind)) await new Promise((resolve) => setTimeout(resolve, lookMs));
}

for await (const line of createInterface({ input: process.stdin })) {
  await haveMore(Number(line));
  const all: SeenByAll = {
    longestMs: Math.max(...clients.map((client) => client.takeLongestMs())),
    seen: clients.map(({ seen }) => seen),
  };
  process.stdout.write(`${JSON.stringify(all)}\n`);
}
await Promise.all(clients.map((client) => client.stop()));
