/**
 * Who the API server takes a connection for, and what pages share that have the same credentials: one connection and one set of copies. An identity lives as
 * long as a session has it.
 */
import { createHash } from 'node:crypto';
import { StatusError, unauthorized } from '#pkg/apimachinery/status-error.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { digText, digTexts, type KubeApi } from '#pkg/kubectl/api.ts';
import { Mirrors } from '../live/mirrors.ts';

/** A connection in a user's name, which `close` ends. */
export type UserApi = KubeApi & { close(): void };

/** One set of credentials. */
export interface Identity {
  readonly user: { readonly name: string; readonly groups: readonly string[] };
  readonly api: UserApi;
  readonly mirrors: Mirrors;
}

interface Kept {
  readonly key: string;
  readonly identity: Identity;
  sessions: number;
}

/** The identities that are in use. */
export class Identities {
  readonly #clock: Clock;
  readonly #kept = new Map<string, Kept>();
  readonly #closing = new Set<Promise<void>>();
  readonly #onUnauthorized: (identity: Identity) => void;

  /** `onUnauthorized` is told when the API server takes the credentials of one no more. */
  constructor(clock: Clock, onUnauthorized: (identity: Identity) => void) {
    this.#clock = clock;
    this.#onUnauthorized = onUnauthorized;
  }

  /** The identity of a secret, such as a token, for one more session. Rejects with `Unauthorized` where the API server knows nobody by it. */
  async take(secret: string, connect: () => Promise<UserApi>): Promise<Identity> {
    const key = createHash('sha256').update(secret).digest('base64');
    const api = await connect();
    try {
      const user = await userOf(api);
      const kept = this.#kept.get(key) ?? this.#keep(key, api, user);
      if (kept.identity.api !== api) api.close();
      kept.sessions++;
      return kept.identity;
    } catch (error) {
      api.close();
      throw error;
    }
  }

  /** A session less. */
  release(identity: Identity): void {
    const kept = [...this.#kept.values()].find((one) => one.identity === identity);
    if (kept === undefined) return;
    kept.sessions--;
    if (kept.sessions > 0) return;
    this.#kept.delete(kept.key);
    const done = identity.mirrors.close().then(() => identity.api.close());
    this.#closing.add(done);
    void done.finally(() => this.#closing.delete(done));
  }

  /** Resolves when nothing is left of those that were released. */
  async settled(): Promise<void> {
    await Promise.all(this.#closing);
  }

  #keep(key: string, api: UserApi, user: Identity['user']): Kept {
    const onUnauthorized = (): void => this.#onUnauthorized(identity);
    const identity: Identity = { user, api, mirrors: new Mirrors({ api, clock: this.#clock, onUnauthorized }) };
    const kept = { key, identity, sessions: 0 };
    this.#kept.set(key, kept);
    return kept;
  }
}

async function userOf(api: KubeApi): Promise<Identity['user']> {
  const kind = 'SelfSubjectReview';
  const apiVersion = 'authentication.k8s.io/v1';
  const path = `/apis/${apiVersion}/selfsubjectreviews`;
  try {
    const { object } = await api.call({ method: 'POST', path, body: { apiVersion, kind } });
    const name = digText(object, 'status', 'userInfo', 'username');
    if (name === '' || name === 'system:anonymous') throw unauthorized();
    return { name, groups: digTexts(object, 'status', 'userInfo', 'groups') };
  } catch (error) {
    // The anonymous may not even ask.
    if (error instanceof StatusError && error.reason === 'Forbidden') throw unauthorized();
    throw error;
  }
}
