/** Watches that count what they are given, line by line, without parsing it. */
import type { Connection } from './connection.ts';
import { clock } from './load.ts';
import { podsPath } from './objects.ts';

/** One watcher in so many looks into its events for the time they were sent at; the others only count them. */
const sampleEvery = 10;

/** What watches have come to so far; grows while they run. */
export interface WatchTally {
  events: number;
  /** When the last event came. */
  lastMs: number;
  readonly latenciesMs: number[];
  /** Pods seen with a node, or Ready, when that is asked for. */
  readonly found: Set<string>;
  /** When the last of them was. */
  lastFoundMs: number;
}

/** What is watched, and what is looked for in it. */
export interface WatchOptions {
  readonly namespace: string;
  /** Tells from where on to watch. */
  readonly asking: Connection;
  /** `bound`: also which pods were given a node; `ready`: which are Ready. Default `all`: events and their delay. */
  readonly what?: 'all' | 'bound' | 'ready';
}

/** Begins a watch on each connection, from the present on; resolves once they are all sent. */
export async function watchPods(
  connections: readonly Connection[],
  { namespace, asking, what = 'all' }: WatchOptions,
): Promise<WatchTally> {
  const nowMs = clock.monotonicMs();
  const tally: WatchTally = { events: 0, lastMs: nowMs, latenciesMs: [], found: new Set(), lastFoundMs: nowMs };
  const list = await asking.request({ method: 'GET', path: `${podsPath(namespace)}?limit=1`, keepBody: true });
  const version = /"resourceVersion":"(\d+)"/.exec(list.body)?.[1] ?? '0';
  const path = `${podsPath(namespace)}?watch=1&resourceVersion=${version}`;
  for (const [i, connection] of connections.entries()) {
    const onLine = what !== 'all' ? lookFor(marks[what], tally) : i % sampleEvery === 0 ? lookForTime(tally) : () => {};
    void connection.request({ method: 'GET', path }, lines(tally, onLine)).catch(() => {});
  }
  return tally;
}

type OnLine = (line: Buffer) => void;

/** Puts pieces together to lines. */
function lines(tally: WatchTally, onLine: OnLine): (piece: Buffer) => void {
  let partial: Buffer[] = [];
  return (piece) => {
    let at = 0;
    for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, at)) {
      const rest = piece.subarray(at, end);
      tally.events++;
      onLine(partial.length === 0 ? rest : Buffer.concat([...partial, rest]));
      partial = [];
      at = end + 1;
    }
    if (at < piece.length) partial.push(Buffer.from(piece.subarray(at)));
    if (at > 0) tally.lastMs = clock.monotonicMs();
  };
}

/** What comes before the time, in an object as JSON. */
export const timeMark = '"coxswain.dev/at":"';

function sentAt(line: Buffer): number {
  const at = line.indexOf(timeMark, 0, 'latin1');
  return at < 0
    ? Number.NaN
    : Number.parseFloat(line.toString('latin1', at + timeMark.length, at + timeMark.length + 24));
}

function lookForTime(tally: WatchTally): OnLine {
  return (line) => {
    const sentMs = sentAt(line);
    if (!Number.isNaN(sentMs)) tally.latenciesMs.push(clock.monotonicMs() - sentMs);
  };
}

/** What an object has, as JSON, that is looked for. */
const marks = { bound: /"nodeName":"/, ready: /"type":"Ready"[^}]*"status":"True"|"status":"True"[^}]*"type":"Ready"/ };

function lookFor(mark: RegExp, tally: WatchTally): OnLine {
  return (line) => {
    if (!line.includes('"name":"scheduled-')) return;
    const text = line.toString('latin1');
    if (!mark.test(text)) return;
    const name = /"name":"(scheduled-\d+)"/.exec(text)?.[1] ?? '';
    if (tally.found.has(name)) return;
    tally.found.add(name);
    tally.lastMs = clock.monotonicMs();
    tally.lastFoundMs = tally.lastMs;
    tally.latenciesMs.push(tally.lastMs - sentAt(line));
  };
}
