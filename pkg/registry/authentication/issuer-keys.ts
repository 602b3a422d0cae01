/**
 * The keys of an issuer of tokens, which it publishes: found by its discovery document, read when a token first needs them, and again when one is
 * signed with a key that is not there. Limits: it is asked at most once in `askAgainMs`, however many tokens nobody can check; requests that come
 * meanwhile share the answer.
 * Source: OpenID Connect Discovery 1.0; go-oidc `NewProvider`, `RemoteKeySet`.
 */
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { readHeader } from '#pkg/pki/jwt.ts';
import { isSignedByOne, readKeySet, type WebKey } from '#pkg/pki/web-keys.ts';
import type { CallWebhook } from '../remote/call-webhook.ts';

/** Whose keys, and how they are read. */
export interface IssuerKeysOptions {
  readonly issuer: string;
  /** Where the discovery document is, if not below the issuer. */
  readonly discoveryUrl: string;
  readonly caBundle: string | undefined;
  readonly call: CallWebhook;
  readonly clock: Clock;
}

/** Source: upstream tries an issuer again that it has not found every ten seconds. */
const askAgainMs = 10_000;
const timeoutMs = 30_000;

/** The keys of one issuer. */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions;
  #keys: readonly WebKey[] = [];
  #asking: Promise<void> | undefined;
  #askedMs: number | undefined;
  #fault = '';

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
  }

  /** Undefined where the issuer has signed the token; else why it does not count. */
  async faultOf(token: string): Promise<string | undefined> {
    const id = readHeader(token)?.kid;
    const isKnown = this.#keys.some((key) => key.id === id);
    if (this.#keys.length > 0 && isSignedByOne(token, this.#keys)) return undefined;
    if (!isKnown || this.#keys.length === 0) {
      await this.#read();
      if (this.#keys.length === 0) return `oidc: authenticator not initialized${this.#fault && `: ${this.#fault}`}`;
      if (isSignedByOne(token, this.#keys)) return undefined;
    }
    return 'oidc: verify token: failed to verify signature: failed to verify id token signature';
  }

  #read(): Promise<void> {
    const { clock } = this.#options;
    if (this.#asking !== undefined) return this.#asking;
    const nowMs = clock.monotonicMs();
    if (this.#askedMs !== undefined && nowMs - this.#askedMs < askAgainMs) return Promise.resolve();
    this.#askedMs = nowMs;
    this.#asking = this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /** Keys that were known stay where there are no others. Never rejects. */
  async #ask(): Promise<void> {
    const { issuer, discoveryUrl } = this.#options;
    try {
      const document: { issuer?: unknown; jwks_uri?: unknown } = JSON.parse(await this.#get(discoveryUrl));
      if (document.issuer !== issuer) {
        throw new Error(
          `oidc: issuer did not match the issuer returned by provider, expected ${JSON.stringify(issuer)} got ${JSON.stringify(document.issuer)}`,
        );
      }
      if (typeof document.jwks_uri !== 'string') throw new Error('the discovery document names no keys');
      const { protocol } = new URL(document.jwks_uri);
      if (protocol !== 'https:') throw new Error('the keys are not where HTTPS leads');
      this.#keys = readKeySet(await this.#get(document.jwks_uri));
      this.#fault = '';
    } catch (error) {
      this.#fault = errorText(error);
    }
  }

  async #get(url: string): Promise<string> {
    const { call, clock, caBundle } = this.#options;
    const ended = new AbortController();
    const timer = clock.setTimeout(() => ended.abort(), timeoutMs);
    try {
      const { status, text } = await call({ method: 'GET', url, caBundle, body: '', signal: ended.signal });
      if (status !== 200) throw new Error(`Get ${JSON.stringify(url)}: the server answered with status ${status}`);
      return text;
    } finally {
      timer.cancel();
    }
  }
}
