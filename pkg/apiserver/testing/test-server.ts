/** A server on the memory store and a virtual clock, and short ways to call it. For tests. */
import type { ApiResponse, WatchFrame } from '#pkg/apimachinery/http.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { namespaceLifecyclePlugin } from '#pkg/registry/admission/namespace-lifecycle.ts';
import { strategies } from '#pkg/registry/table.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import type { Store } from '#pkg/storage/store.ts';
import { clientCertificateAuthenticator } from '../authn/client-certificate.ts';
import { alwaysAllow } from '../authz/authorizer.ts';
import { type ApiServer, type ApiServerOptions, createApiServer } from '../server.ts';
import type { Strategy } from '../strategy.ts';

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** An object as components in the same process send it. */
  readonly object?: unknown;
  /** A body as it comes over the network. */
  readonly text?: string | Uint8Array;
  /** Without credentials. */
  readonly anonymous?: boolean;
  readonly signal?: AbortSignal;
}

/** An answer with its body decoded from the bytes that a network client would get. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  readonly body: any;
  readonly text: string;
}

export interface TestServer {
  readonly server: ApiServer;
  readonly store: Store;
  readonly clock: VirtualClock;
  call(method: string, target: string, options?: CallOptions): Promise<Answer>;
  raw(method: string, target: string, options?: CallOptions): Promise<ApiResponse>;
  /** Opens a watch; `next` gives the next batch as `TYPE name`. */
  watch(target: string): Promise<{ next(): Promise<string[]>; frames(): Promise<readonly WatchFrame[]> }>;
}

const peer = { address: '', certificate: { commonName: 'admin', organizations: ['system:masters'] } };

/** What a kind is, apart from the rules that its objects have to keep. */
function bareKind(strategy: Strategy): Strategy {
  const { group, resource, versions, storedInGroup, answer, returnsDeleted, createsWithStatus, creates, connects } =
    strategy;
  const bare = {
    group,
    resource,
    versions,
    storedInGroup,
    answer,
    returnsDeleted,
    createsWithStatus,
    creates,
    connects,
  };
  const defined = Object.entries(bare).filter(([, value]) => value !== undefined);
  if (group !== '' || resource !== 'namespaces') return Object.fromEntries(defined) as unknown as Strategy;
  const { bootstrap, pendingFinalizers } = strategy;
  const subresources = { finalize: { verbs: ['update'] } } as const;
  return { ...bare, subresources, bootstrap, pendingFinalizers, tracksGeneration: false } as Strategy;
}

const bareKinds: readonly Strategy[] = strategies.map(bareKind);

/** Every kind of the API, with the rules of those that are given. */
function withKinds(given: readonly Strategy[]): readonly Strategy[] {
  const byName = new Map(bareKinds.map((kind) => [`${kind.group}/${kind.resource}`, kind]));
  for (const strategy of given) {
    const name = `${strategy.group}/${strategy.resource}`;
    byName.set(name, { ...byName.get(name), ...strategy });
  }
  return [...byName.values()];
}

/** A server that knows every kind but none of their rules, other than those of `options.strategies`. */
export async function startTestServer(options: Partial<ApiServerOptions> = {}): Promise<TestServer> {
  const clock = new VirtualClock();
  const store = options.store ?? createMemoryStore({ clock });
  const server = createApiServer({
    clock,
    store,
    random: new SeededRandom(1),
    log: silentLogger,
    authenticators: [clientCertificateAuthenticator(clock)],
    authorizer: alwaysAllow(),
    ...options,
    strategies: withKinds(options.strategies ?? []),
    admission: [namespaceLifecyclePlugin, ...(options.admission ?? [])],
  });
  await server.ready();
  const raw: TestServer['raw'] = (method, target, { headers = {}, object, text, anonymous, signal } = {}) => {
    const mark = target.indexOf('?');
    return server.handle({
      method,
      path: mark < 0 ? target : target.slice(0, mark),
      query: mark < 0 ? '' : target.slice(mark + 1),
      headers,
      ...(object === undefined ? {} : { body: { kind: 'object', object } as const }),
      ...(text === undefined ? {} : { body: { kind: 'bytes', bytes: Buffer.from(text) } as const }),
      peer: anonymous ? { address: '' } : peer,
      signal: signal ?? new AbortController().signal,
    });
  };
  return {
    server,
    store,
    clock,
    raw,
    call: async (method, target, callOptions) => decode(await raw(method, target, callOptions)),
    async watch(target) {
      const { body } = await raw('GET', target);
      if (body.kind !== 'watch') throw new Error(`Cannot watch ${target}: the answer is ${JSON.stringify(body)}`);
      const batches = body.batches[Symbol.asyncIterator]();
      const frames = async (): Promise<readonly WatchFrame[]> => (await batches.next()).value ?? [];
      return {
        frames,
        next: async () => (await frames()).map((f) => `${f.type} ${f.object.metadata?.name ?? ''}`.trim()),
      };
    },
  };
}

function decode({ status, headers, body }: ApiResponse): Answer {
  const bytes = body.kind === 'object' ? body.bytes() : body.kind === 'bytes' ? body.bytes : new Uint8Array(0);
  const text = Buffer.from(bytes).toString();
  const isJson = headers['content-type'] === 'application/json' && text !== '';
  return { status, headers, body: isJson ? JSON.parse(text) : undefined, text };
}
