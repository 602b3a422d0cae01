/** An API server on the memory store with its default authorization, and calls in the name of any user. For tests. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import { type LocalApi, type LocalApiOptions, localApi } from './local-api.ts';

/** What an answer says that tests look at. */
export interface UserAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  readonly body: any;
}

/** What goes with a call. */
export interface UserCall {
  readonly object?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Calls in one user's name. */
export type UserCaller = (method: string, target: string, call?: UserCall) => Promise<UserAnswer>;

/** A server and those who call it. */
export interface UsersApi {
  readonly api: LocalApi;
  readonly clock: VirtualClock;
  /** Who may do everything. */
  readonly admin: UserCaller;
  as(name: string, ...groups: readonly string[]): UserCaller;
  /** With nothing but what the headers say. */
  readonly anybody: UserCaller;
  /** Makes objects as the administrator; throws what is refused. */
  make(target: string, ...objects: readonly KubeObject[]): Promise<void>;
  stop(): Promise<void>;
}

/** Resolves once it answers and every namespace has its service account `default`. */
export async function startUsersApi(options: Partial<LocalApiOptions> = {}): Promise<UsersApi> {
  const clock = new VirtualClock();
  const store = options.store ?? createMemoryStore({ clock });
  const api = localApi({ clock, random: new SeededRandom(1), log: silentLogger, ...options, store });
  const stop = new AbortController();
  const running = api.run(stop.signal);
  await api.ready();
  const caller =
    (certificate?: { readonly commonName: string; readonly organizations: readonly string[] }): UserCaller =>
    async (method, target, { object, headers = {} } = {}) => {
      const [path = '', query = ''] = target.split('?');
      const answer = await api.handle({
        method,
        path,
        query,
        headers,
        ...(object === undefined ? {} : { body: { kind: 'object', object: structuredClone(object) } as const }),
        peer: { address: '', ...(certificate === undefined ? {} : { certificate }) },
        signal: stop.signal,
      });
      const { body } = answer;
      if (body.kind === 'object') return { status: answer.status, body: body.object };
      if (body.kind !== 'bytes') return { status: answer.status, body: undefined };
      const text = Buffer.from(body.bytes).toString();
      return { status: answer.status, body: text.startsWith('{') ? JSON.parse(text) : text };
    };
  const admin = caller({ commonName: 'kubernetes-admin', organizations: ['kubeadm:cluster-admins'] });
  const make = async (target: string, ...objects: readonly KubeObject[]): Promise<void> => {
    for (const object of objects) {
      const { status, body } = await admin('POST', target, { object });
      if (status >= 300) throw new Error(`Cannot make ${target} as it is refused: ${JSON.stringify(body)}`);
    }
  };
  return {
    api,
    clock,
    admin,
    make,
    as: (commonName, ...organizations) => caller({ commonName, organizations }),
    anybody: caller(),
    stop: async () => {
      stop.abort();
      await running;
    },
  };
}
