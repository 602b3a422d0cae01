/**
 * Tokens of nodes that join: each is a Secret in `kube-system` that says until when it counts, for what, and into which groups it puts its bearer.
 * Source: `plugin/pkg/auth/authenticator/token/bootstrap`, `k8s.io/cluster-bootstrap/token`.
 */

import { timingSafeEqual } from 'node:crypto';
import { secrets } from '#pkg/api/types/refs.ts';
import { ofApiAudiences, type TokenAuthenticator } from '#pkg/apiserver/authn/bearer-tokens.ts';
import { type RegistryReader, readOne } from '#pkg/apiserver/strategy.ts';
import type { Clock } from '#pkg/base/clock.ts';

const tokenPattern = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const groupPattern = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;
const [namespace, type] = ['kube-system', 'bootstrap.kubernetes.io/token'];

/** Knows such tokens, for the audiences of the API. */
export class BootstrapTokens implements TokenAuthenticator {
  readonly #clock: Clock;
  readonly #audiences: readonly string[];
  #reader: RegistryReader | undefined;

  constructor(clock: Clock, audiences: readonly string[]) {
    this.#clock = clock;
    this.#audiences = audiences;
  }

  /** Where the Secrets are looked up. Before that no token counts. */
  connect(reader: RegistryReader): void {
    this.#reader = reader;
  }

  async authenticateToken(token: string, wanted: readonly string[]) {
    const [, id, text] = tokenPattern.exec(token) ?? [];
    if (id === undefined || text === undefined) return undefined;
    const reader = this.#reader;
    const secret = reader && (await readOne(reader, secrets, { namespace, name: `bootstrap-token-${id}` }));
    if (secret === undefined || secret.metadata?.deletionTimestamp || secret.type !== type) return undefined;
    const value = (key: string): string => Buffer.from(secret.data?.[key] ?? '', 'base64').toString();
    const held = Buffer.from(value('token-secret'));
    const shown = Buffer.from(text);
    if (held.length !== shown.length || !timingSafeEqual(held, shown) || value('token-id') !== id) return undefined;
    const expiration = value('expiration');
    if (expiration !== '' && !(Date.parse(expiration) > this.#clock.nowMs())) return undefined;
    if (value('usage-bootstrap-authentication') !== 'true') return undefined;
    const extra = value('auth-extra-groups')
      .split(',')
      .filter((group) => group !== '');
    if (!extra.every((group) => groupPattern.test(group))) return undefined;
    const groups = ['system:bootstrappers', ...extra.sort()];
    return ofApiAudiences({ name: `system:bootstrap:${id}`, groups }, { wanted, own: this.#audiences });
  }
}
