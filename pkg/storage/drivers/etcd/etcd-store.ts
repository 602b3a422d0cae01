/**
 * The store in an etcd cluster. A read is one request, a write a transaction that compares the key's mod revision, of which those that come at the same time
 * share a request (`write-groups.ts`); all watches share one feed (`etcd-feed.ts`). Revisions are shown otherwise than etcd counts (`etcd-revisions.ts`).
 *
 * No request is repeated that may have changed something (`etcd-members.ts`): a write whose answer was lost may have happened, so it fails with
 * `StoreUnavailableError` and the caller decides. etcd refuses requests above 1.5 MiB unless it is started with a greater `--max-request-bytes`.
 */
import { getCACertificates } from 'node:tls';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { type Random, randomInt } from '#pkg/base/random.ts';
import type { GrpcTls } from '#pkg/grpc/grpc-connection.ts';
import { GrpcError } from '#pkg/grpc/grpc-error.ts';
import { checkOperation, conflictOf } from '../../operation.ts';
import type { SnapshotItem } from '../../snapshot/snapshot-format.ts';
import {
  CompactedError,
  FutureRevisionError,
  type KeyValue,
  type RangeOptions,
  type RangeResult,
  type Store,
  StoreUnavailableError,
  type Watch,
  type WatchOptions,
  type WatchSink,
  type WriteOperation,
  type WriteResult,
} from '../../store.ts';
import { EtcdFeed } from './etcd-feed.ts';
import { EtcdLeases } from './etcd-leases.ts';
import { EtcdMembers } from './etcd-members.ts';
import {
  compactRequest,
  etcdCalls,
  getRequest,
  grantRequest,
  leasesOf,
  rangeOf,
  rangeRequest,
  revisionRequest,
  timeToLiveOf,
  timeToLiveRequest,
  txnRequest,
  txnResultsOf,
} from './etcd-messages.ts';
import { isOfEtcd, startOfRevision } from './etcd-revisions.ts';
import { OwnWrites } from './own-writes.ts';
import { RevisionQuestions } from './revision-questions.ts';
import { type EtcdWrite, type EtcdWriteResult, WriteGroups } from './write-groups.ts';

/** Ids of leases are below this: they are chosen by chance, and exact as numbers. */
const leaseIdBound = 2 ** 52;

/** The members, and the credentials that they want. */
export interface EtcdStoreOptions {
  /** Addresses of the members: `http://127.0.0.1:2379`. All of them `http` or all `https`. */
  readonly endpoints: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly tls?: GrpcTls;
  /** Whom to be, where etcd has users. */
  readonly user?: { readonly name: string; readonly password: string };
}

/** The store, and what a snapshot of it needs beside. */
export interface EtcdBackedStore extends Store {
  /** As `range`, with the time at which each key expires, in milliseconds since the epoch; 0 for never. Costs a question for each lease. */
  rangeWithLives(options: RangeOptions): Promise<readonly SnapshotItem[]>;
}

/** Connects to an etcd. Throws `StoreUnavailableError` when it does not answer, or refuses. */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<EtcdBackedStore> {
  const store = new EtcdStore(options);
  try {
    await store.currentRevision();
    return store;
  } catch (error) {
    await store.close();
    throw refusedAtStart(options, error);
  }
}

function refusedAtStart({ endpoints, user }: EtcdStoreOptions, error: unknown): StoreUnavailableError {
  const where = endpoints.join(', ');
  const cause = error instanceof Error && error.cause instanceof GrpcError ? error.cause : undefined;
  const text = cause?.message ?? errorText(error);
  if (cause?.isLost === false) {
    const wants = 'it wants a user: give --etcd-username and --etcd-password-file';
    const who = user === undefined ? '' : ` as ${JSON.stringify(user.name)}`;
    const why = user === undefined && text.includes('user name is empty') ? wants : text;
    return new StoreUnavailableError(`Cannot use etcd at ${where}${who}: ${why}`, error);
  }
  const why = /certificate|self.signed|SSL|TLS|altname/i.test(text)
    ? `TLS failed (${text.split('\n')[0]}): look at --etcd-cafile, --etcd-certfile and --etcd-keyfile`
    : 'start it or choose another store';
  return new StoreUnavailableError(`Cannot reach etcd at ${where}: ${why}`, error);
}

class EtcdStore implements EtcdBackedStore {
  readonly #options: EtcdStoreOptions;
  readonly #members: EtcdMembers;
  readonly #leases: EtcdLeases;
  readonly #groups: WriteGroups;
  readonly #questions: RevisionQuestions;
  readonly #own = new OwnWrites();
  readonly #feeds = new Set<EtcdFeed>();
  /** The feed that new watches join when it reaches back far enough. */
  #feed: EtcdFeed | undefined;
  #acknowledged = 0;
  #closed = false;

  constructor(options: EtcdStoreOptions) {
    const { clock, random, log, user, endpoints } = options;
    this.#options = options;
    this.#members = new EtcdMembers({ endpoints, clock, random, log, tls: tlsOf(options), user });
    this.#leases = new EtcdLeases({
      clock,
      grant: async (seconds) => {
        const id = 1 + randomInt(random, leaseIdBound - 1);
        // A lease that nobody knows of ends by itself.
        await this.#call(etcdCalls.grant, grantRequest(id, seconds), { isRead: true });
        return id;
      },
    });
    this.#questions = new RevisionQuestions({ clock, ask: () => this.#askRevision() });
    this.#groups = new WriteGroups({
      clock,
      send: (writes) => this.#send(writes),
    });
  }

  async get(key: string): Promise<KeyValue | undefined> {
    return rangeOf(await this.#call(etcdCalls.range, getRequest(key), { isRead: true })).items[0];
  }

  async range(options: RangeOptions): Promise<RangeResult> {
    const { revision } = options;
    const answer = await this.#call(etcdCalls.range, rangeRequest(options), { isRead: true, revision });
    const range = rangeOf(answer);
    if (revision === undefined) return range;
    const result = { ...range, revision };
    return range.items.some((kv) => kv.modRevision > revision) ? this.#without(result, options) : result;
  }

  /**
   * A range as it was in the midst of a transaction: without what came after `revision` in that, and with what was there before. As seldom as somebody
   * reads at the revision of an object, so each such key is asked for by itself.
   */
  async #without(range: RangeResult, options: RangeOptions): Promise<RangeResult> {
    const { revision } = range;
    const kept = await Promise.all(
      range.items.map((kv) => (kv.modRevision > revision ? this.#before(kv.key, revision) : kv)),
    );
    const items = kept.filter((kv) => kv !== undefined);
    const gone = range.items.length - items.length;
    const last = range.items.at(-1);
    if (gone === 0 || !options.limit || last === undefined) return { ...range, items, count: range.count - gone };
    const rest = await this.range({ ...options, startKey: `${last.key}\0`, limit: gone });
    return { ...range, items: [...items, ...rest.items], count: items.length + rest.count };
  }

  /** A key before the transaction that a revision is of. */
  async #before(key: string, revision: number): Promise<KeyValue | undefined> {
    const answer = await this.#call(etcdCalls.range, getRequest(key, revision), { isRead: true, revision });
    return rangeOf(answer).items[0];
  }

  async rangeWithLives(options: RangeOptions): Promise<readonly SnapshotItem[]> {
    const { revision } = options;
    const answer = await this.#call(etcdCalls.range, rangeRequest(options), { isRead: true, revision });
    const leases = leasesOf(answer);
    const ends = new Map<number, number>([[0, 0]]);
    for (const lease of leases) if (!ends.has(lease)) ends.set(lease, await this.#endOf(lease));
    return rangeOf(answer).items.map(({ key, value, modRevision }, i) => {
      const expiresMs = ends.get(leases[i] ?? 0) ?? 0;
      return { key, value, modRevision, expiresMs };
    });
  }

  async #endOf(lease: number): Promise<number> {
    const answer = await this.#call(etcdCalls.timeToLive, timeToLiveRequest(lease), { isRead: true });
    return this.#options.clock.nowMs() + timeToLiveOf(answer) * 1_000;
  }

  async write(operation: WriteOperation): Promise<WriteResult> {
    this.#checkOpen();
    checkOperation(operation);
    const { key, ifModRevision } = operation;
    // No key is at these. Comparing with 0 would hold for one that is not there, of which there is nothing to delete.
    if (!isOfEtcd(ifModRevision) && (operation.type === 'delete' || ifModRevision > 0))
      return conflictOf(await this.get(key));
    if (operation.type === 'delete') {
      const [deleted] = await this.#send([{ operation, lease: undefined }]);
      return this.#outcome(operation, deleted);
    }
    const lease = operation.ttlMs === undefined ? undefined : await this.#leases.take(operation.ttlMs);
    const { value } = operation;
    this.#own.add(key, value);
    let result: WriteResult | undefined;
    try {
      result = this.#outcome(operation, await this.#groups.write({ operation, lease }));
    } finally {
      if (result?.ok !== true) this.#own.drop(key, value);
    }
    return result;
  }

  /** One transaction. */
  async #send(writes: readonly EtcdWrite[]): Promise<readonly EtcdWriteResult[]> {
    return txnResultsOf(await this.#call(etcdCalls.txn, txnRequest(writes), { isRead: false }), writes.length);
  }

  #outcome(operation: WriteOperation, result: EtcdWriteResult | undefined): WriteResult {
    if (result === undefined) throw new StoreUnavailableError('Cannot tell what became of a write to etcd');
    const { succeeded, revision, read } = result;
    if (!succeeded) return conflictOf(read);
    if (revision > this.#acknowledged) this.#acknowledged = revision;
    if (operation.type === 'delete') return { ok: true, revision };
    const { key, value } = operation;
    const createRevision = read?.createRevision ?? startOfRevision(revision);
    return { ok: true, revision, kv: { key, value, createRevision, modRevision: revision } };
  }

  watch(options: WatchOptions, sink: WatchSink): Watch {
    this.#checkOpen();
    const { fromRevision } = options;
    if (this.#feed === undefined) this.#feed = this.#openFeed(fromRevision);
    if (this.#feed.covers(fromRevision)) return this.#feed.watch(options, sink);
    const own = this.#openFeed(fromRevision);
    const watch = own.watch(options, sink);
    const close = (): void => {
      watch.close();
      void own.close(closedError());
    };
    return { close };
  }

  acknowledgedRevision(): number {
    return this.#acknowledged;
  }

  currentRevision(): Promise<number> {
    return this.#questions.current();
  }

  async #askRevision(): Promise<number> {
    return rangeOf(await this.#call(etcdCalls.range, revisionRequest, { isRead: true })).revision;
  }

  async compact(revision: number): Promise<void> {
    try {
      await this.#call(etcdCalls.compact, compactRequest(revision), { isRead: true, revision });
    } catch (error) {
      // Another server of the same etcd was faster.
      if (!(error instanceof CompactedError)) throw error;
    }
    for (const feed of this.#feeds) feed.compact(revision);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([...this.#feeds].map((feed) => feed.close(closedError())));
    this.#members.close();
  }

  #openFeed(fromRevision: number): EtcdFeed {
    const { clock, log } = this.#options;
    const feed: EtcdFeed = new EtcdFeed({
      open: (sink) => this.#members.open(etcdCalls.watch, sink),
      own: this.#own,
      clock,
      log,
      fromRevision,
      onEnd: () => {
        this.#feeds.delete(feed);
        if (this.#feed === feed) this.#feed = undefined;
      },
    });
    this.#feeds.add(feed);
    return feed;
  }

  /** Makes a request, with etcd's errors as the store's. `revision` is the one it is about. */
  async #call(
    path: string,
    message: Uint8Array,
    { isRead, revision = 0 }: { readonly isRead: boolean; readonly revision?: number | undefined },
  ): Promise<Buffer> {
    this.#checkOpen();
    try {
      return await this.#members.call(path, message, { isRead });
    } catch (error) {
      const text = errorText(error);
      // etcd does not say up to where it has compacted; it is at least one further.
      if (text.includes('has been compacted')) throw new CompactedError(revision + 1);
      if (text.includes('is a future revision')) throw new FutureRevisionError(revision, await this.currentRevision());
      if (this.#closed) throw closedError();
      const where = this.#options.endpoints.join(', ');
      if (text.includes('database space exceeded')) throw new StoreUnavailableError(fullText(where), error);
      throw new StoreUnavailableError(`Cannot use etcd at ${where}: ${text}`, error);
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError();
  }
}

/** Reads go on then; etcd takes no write until somebody has made room and says so. */
function fullText(where: string): string {
  return `Cannot write to etcd at ${where} as it is out of space: compact and defragment it, or give it a greater --quota-backend-bytes, then run "etcdctl alarm disarm"`;
}

function tlsOf({ endpoints, tls }: EtcdStoreOptions): GrpcTls | undefined {
  if (!endpoints.some((endpoint) => endpoint.startsWith('https:'))) return undefined;
  return { ...tls, ca: tls?.ca ?? getCACertificates('default').join('\n') };
}

function closedError(): StoreUnavailableError {
  return new StoreUnavailableError('Cannot use the store as it was closed');
}
