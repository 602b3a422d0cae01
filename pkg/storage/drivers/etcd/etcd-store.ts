/**
 * The store in an etcd cluster. Every call is one etcd request (a write is a transaction that compares the key's mod revision); all
 * watches share one feed (`etcd-feed.ts`).
 *
 * No request is repeated by itself: a write whose answer was lost may have happened, so it fails with `StoreUnavailableError` and the
 * caller decides. etcd refuses requests above 1.5 MiB unless it is started with a greater `--max-request-bytes`.
 */
import { getCACertificates } from 'node:tls';
import { Etcd3, type IOptions } from 'etcd3';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { checkOperation, conflictOf } from '../../operation.ts';
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
import { reachByAddress } from './etcd-addresses.ts';
import { EtcdFeed, type EtcdWatchStream } from './etcd-feed.ts';
import { EtcdLeases } from './etcd-leases.ts';
import { kvOfEtcd, rangeOfPrefix } from './etcd-messages.ts';

/** How long one request may take; upstream's etcd client has no limit of its own, but its callers' requests end after a minute. */
const requestTimeoutMs = 10_000;

/** The members, and the credentials that they want. */
export interface EtcdStoreOptions {
  /** Addresses of the members: `http://127.0.0.1:2379`. All of them `http` or all `https`. */
  readonly endpoints: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  /** PEM texts, for `https`: the authority of the members (default: those that Node trusts), and the certificate and key to show them. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

/** Connects to an etcd. Throws `StoreUnavailableError` when it does not answer. */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<Store> {
  const store = new EtcdStore(options);
  try {
    await store.currentRevision();
    return store;
  } catch (error) {
    await store.close();
    const message = `Cannot reach etcd at ${options.endpoints.join(', ')}: start it or choose another store`;
    throw new StoreUnavailableError(message, error);
  }
}

class EtcdStore implements Store {
  readonly #options: EtcdStoreOptions;
  readonly #client: Etcd3;
  readonly #leases: EtcdLeases;
  readonly #feeds = new Set<EtcdFeed>();
  /** The feed that new watches join when it reaches back far enough. */
  #feed: EtcdFeed | undefined;
  #acknowledged = 0;
  #asking: { readonly started: Promise<number>; next?: Promise<number> } | undefined;
  #closed = false;

  constructor(options: EtcdStoreOptions) {
    this.#options = options;
    this.#client = new Etcd3(clientOptions(options));
    if (options.endpoints.some((endpoint) => endpoint.startsWith('https:'))) reachByAddress(this.#client);
    this.#leases = new EtcdLeases({
      clock: options.clock,
      grant: async (seconds) => {
        const { ID } = await this.#call(() => this.#client.leaseClient.leaseGrant({ TTL: String(seconds) }));
        return ID;
      },
    });
  }

  async get(key: string): Promise<KeyValue | undefined> {
    const response = await this.#call(() => this.#client.kv.range({ key: Buffer.from(key) }));
    const kv = response.kvs[0];
    return kv && kvOfEtcd(kv);
  }

  async range(options: RangeOptions): Promise<RangeResult> {
    const { prefix, startKey, limit, revision } = options;
    const request = {
      ...rangeOfPrefix(prefix, startKey),
      ...(limit && { limit: String(limit) }),
      ...(revision !== undefined && { revision: String(revision) }),
    };
    const response = await this.#call(() => this.#client.kv.range(request), revision);
    return {
      items: response.kvs.map(kvOfEtcd),
      count: Number(response.count),
      revision: revision ?? Number(response.header.revision),
    };
  }

  async write(operation: WriteOperation): Promise<WriteResult> {
    this.#checkOpen();
    checkOperation(operation);
    const { key: name, ifModRevision } = operation;
    const key = Buffer.from(name);
    const put = operation.type === 'put';
    // Comparing with 0 would hold for a key that is not there, of which there is nothing to delete.
    if (!put && ifModRevision === 0) return conflictOf(await this.get(name));
    const lease = put && operation.ttlMs !== undefined ? await this.#leases.take(operation.ttlMs) : undefined;
    const write = put
      ? {
          request_put: {
            key,
            ...(lease !== undefined && { lease }),
            value: Buffer.from(operation.value.buffer, operation.value.byteOffset, operation.value.length),
          },
        }
      : { request_delete_range: { key } };
    const createdBefore = put && ifModRevision > 0;
    const response = await this.#call(() =>
      this.#client.kv.txn({
        compare: [{ result: 'Equal', target: 'Mod', key, mod_revision: String(ifModRevision) }],
        success: createdBefore ? [write, { request_range: { key, keys_only: true } }] : [write],
        failure: [{ request_range: { key } }],
      }),
    );
    if (!response.succeeded) {
      const current = response.responses[0]?.response_range.kvs[0];
      return conflictOf(current && kvOfEtcd(current));
    }
    const revision = Number(response.header.revision);
    if (revision > this.#acknowledged) this.#acknowledged = revision;
    if (!put) return { ok: true, revision };
    const written = response.responses[1]?.response_range.kvs[0];
    const createRevision = written === undefined ? revision : Number(written.create_revision);
    return { ok: true, revision, kv: { key: name, value: operation.value, createRevision, modRevision: revision } };
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

  /**
   * Callers that come while one question is under way share the next one: the answer to the one under way may be older than what they
   * have seen acknowledged. So there are never more than two, however many read.
   */
  currentRevision(): Promise<number> {
    if (this.#asking !== undefined) {
      const asking = this.#asking;
      asking.next ??= asking.started.then(noop, noop).then(() => this.currentRevision());
      return asking.next;
    }
    const started = this.#askRevision();
    const asking = { started };
    this.#asking = asking;
    const done = (): void => {
      if (this.#asking === asking) this.#asking = undefined;
    };
    started.then(done, done);
    return started;
  }

  async #askRevision(): Promise<number> {
    const request = { key: Buffer.from([0]), count_only: true };
    const response = await this.#call(() => this.#client.kv.range(request));
    return Number(response.header.revision);
  }

  async compact(revision: number): Promise<void> {
    try {
      await this.#call(() => this.#client.kv.compact({ revision: String(revision) }), revision);
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
    this.#client.close();
  }

  #openFeed(fromRevision: number): EtcdFeed {
    const { clock, log } = this.#options;
    const feed: EtcdFeed = new EtcdFeed({
      open: () => this.#client.watchClient.watch() as Promise<unknown> as Promise<EtcdWatchStream>,
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
  async #call<T>(request: () => Promise<T>, revision = 0): Promise<T> {
    this.#checkOpen();
    try {
      return await request();
    } catch (error) {
      const text = errorText(error);
      // etcd does not say up to where it has compacted; it is at least one further.
      if (text.includes('has been compacted')) throw new CompactedError(revision + 1);
      if (text.includes('is a future revision')) throw new FutureRevisionError(revision, await this.currentRevision());
      if (this.#closed) throw closedError();
      throw new StoreUnavailableError(`Cannot use etcd at ${this.#options.endpoints.join(', ')}: ${text}`, error);
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError();
  }
}

function clientOptions(options: EtcdStoreOptions): IOptions {
  const { endpoints, clock, tls } = options;
  const credentials = tls && {
    rootCertificate: Buffer.from(tls.ca ?? getCACertificates('default').join('\n')),
    ...(tls.key !== undefined && { privateKey: Buffer.from(tls.key) }),
    ...(tls.cert !== undefined && { certChain: Buffer.from(tls.cert) }),
  };
  return {
    hosts: [...endpoints],
    ...(credentials && { credentials }),
    // A page of large objects exceeds gRPC's default of 4 MiB.
    grpcOptions: { 'grpc.max_receive_message_length': -1, 'grpc.max_reconnect_backoff_ms': 1_000 },
    defaultCallOptions: (context) => (context.isStream ? {} : { deadline: clock.nowMs() + requestTimeoutMs }),
    faultHandling: { global: oncePolicy, host: () => oncePolicy },
  };
}

type Policy = NonNullable<NonNullable<IOptions['faultHandling']>['global']>;

/** Makes each request once, where the client would by default repeat it and then refuse others for five seconds. */
const oncePolicy: Policy = {
  _altReturn: undefined as never,
  onSuccess: () => ({ dispose: () => {} }),
  onFailure: () => ({ dispose: () => {} }),
  execute: async (action) => action({ signal: new AbortController().signal }),
};

function noop(): void {}

function closedError(): StoreUnavailableError {
  return new StoreUnavailableError('Cannot use the store as it was closed');
}
