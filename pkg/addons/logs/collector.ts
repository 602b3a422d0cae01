/**
 * Follows the log of every container of a cluster, from its first line to its last, by way of the kubelets, which read the log files of containers as
 * the container runtime writes them (or have the lines in memory, where programs run in the kubelet's own runtime).
 *
 * Laws: a container is followed once; a log that breaks off while its container may still write is taken up again after the last line that is kept, and
 * no line is kept twice; at most `followedMax` are followed at a time, and others wait for one to end.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Transport } from '#pkg/client/client.ts';
import type { Informers } from '#pkg/client/informer.ts';
import type { LogStore, StoredLine } from './log-store.ts';

/** Each holds a connection, of which a client has 256. */
const followedMax = 200;
/** Between a log that breaks off and the next try. */
const retryMs = 1_000;

/** A container that has begun. */
interface Followed {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly node: string;
  readonly id: string;
}

interface Found {
  readonly one: Followed;
  readonly isRunning: boolean;
}

/** What the collector works with. */
export interface CollectorOptions {
  readonly transport: Transport;
  readonly informers: Informers;
  readonly store: LogStore;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Collects until `signal` is aborted; resolves once nothing is followed. */
export async function collectLogs(options: CollectorOptions, signal: AbortSignal): Promise<void> {
  const informer = options.informers.informer(pods);
  const underWay = new Map<string, Promise<void>>();
  const ended = new Set<string>();
  const find = ({ namespace, pod: name, id }: Followed): Found | undefined => {
    const pod = informer.lister.get(`${namespace}/${name}`);
    return pod === undefined ? undefined : containersOf(pod).find(({ one }) => one.id === id);
  };
  const look = (pod: Pod): void => {
    for (const { one } of containersOf(pod)) {
      if (signal.aborted || underWay.size >= followedMax) return;
      if (underWay.has(one.id) || ended.has(one.id)) continue;
      const following = follow(options, one, { signal, find }).finally(() => {
        underWay.delete(one.id);
        ended.add(one.id);
        if (find(one) === undefined) forget(one.id);
        // Somebody may have waited for the place.
        if (underWay.size === followedMax - 1) for (const other of informer.lister.list()) look(other);
      });
      underWay.set(one.id, following);
    }
  };
  const forget = (id: string): void => {
    ended.delete(id);
    options.store.forget(id);
  };
  informer.addHandler({
    added: look,
    updated: (before, pod) => {
      look(pod);
      const ids = new Set(containersOf(pod).map(({ one }) => one.id));
      for (const { one } of containersOf(before)) if (!ids.has(one.id) && !underWay.has(one.id)) forget(one.id);
    },
    deleted: (pod) => {
      for (const { one } of containersOf(pod)) if (!underWay.has(one.id)) forget(one.id);
    },
  });
  for (const pod of informer.lister.list()) look(pod);
  await options.informers.run(signal);
  await Promise.all(underWay.values());
}

/** The containers of a pod that have begun. */
function containersOf(pod: Pod): readonly Found[] {
  const { name = '', namespace = '' } = pod.metadata ?? {};
  const { initContainerStatuses = [], containerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  const node = pod.spec?.nodeName ?? '';
  return [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses].flatMap((status) => {
    const { name: container, containerID: id, state } = status;
    if (!id || (!state?.running && !state?.terminated)) return [];
    return [{ one: { namespace, pod: name, container, node, id }, isRunning: state.running !== undefined }];
  });
}

interface FollowOptions {
  readonly signal: AbortSignal;
  /** What is known of the container; undefined once its pod or another of its name has its place. */
  find(one: Followed): Found | undefined;
}

async function follow(options: CollectorOptions, one: Followed, { signal, find }: FollowOptions): Promise<void> {
  const { clock, log } = options;
  while (!signal.aborted) {
    try {
      const isWhole = await readToEnd(options, one, signal);
      // What it wrote until its end is read once it is known to have ended.
      if (isWhole && find(one)?.isRunning !== true) return;
    } catch (error) {
      if (signal.aborted) return;
      const { namespace, pod, container } = one;
      log.warn('Log broke off', { pod: objectKey({ metadata: { namespace, name: pod } }), container, error });
    }
    if (!(await sleep(clock, retryMs, signal)) || find(one) === undefined) return;
  }
}

/** Reads what is not kept yet. Resolves with whether that was all there is: the kubelet ends a log with its container. */
async function readToEnd({ transport, store }: CollectorOptions, one: Followed, signal: AbortSignal): Promise<boolean> {
  const { namespace, pod, container } = one;
  const known = store.progressOf(one.id);
  const query = new URLSearchParams({ container, follow: 'true', timestamps: 'true' });
  if (known !== undefined) query.set('sinceTime', known.time);
  const { status, body } = await transport.request({
    method: 'GET',
    path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/log`,
    query: query.toString(),
    headers: { accept: '*/*' },
    peer: { address: '' },
    signal,
  });
  if (body.kind !== 'stream') return status === 404;
  // Those of the last time that are kept come again.
  let skipped = status === 200 ? (known?.count ?? 0) : 0;
  for await (const lines of timedLines(body.chunks)) {
    if (status !== 200) continue;
    const fresh = lines.filter(({ time }) => time !== known?.time || skipped-- <= 0);
    store.add(fresh.map(({ time, text }): StoredLine => ({ time, ...one, text })));
  }
  return status === 200 || status === 404;
}

/** The lines of a log with times, those of a piece at a time. */
async function* timedLines(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly { readonly time: string; readonly text: string }[]> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield lines.map(timed);
  }
  if (rest !== '') yield [timed(rest)];
}

function timed(line: string): { readonly time: string; readonly text: string } {
  const space = line.indexOf(' ');
  return space < 0 ? { time: line, text: '' } : { time: line.slice(0, space), text: line.slice(space + 1) };
}
