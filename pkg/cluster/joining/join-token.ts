/**
 * Tokens by which other machines join: Secrets of `kube-system`, as kubeadm makes them, so that its clients know them too.
 * Source: `k8s.io/cluster-bootstrap/token`, `cmd/kubeadm/app/apis/bootstraptoken`.
 */
import type { Secret } from '#pkg/api/types/core-v1.ts';
import { secrets } from '#pkg/api/types/refs.ts';
import { type Clock, formatTimestamp } from '#pkg/base/clock.ts';
import type { Client } from '#pkg/client/client.ts';

const namespace = 'kube-system';
const type = 'bootstrap.kubernetes.io/token';
const tokenPattern = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
/** Whom the default policy lets ask for the certificate of a node. */
const joiningGroup = 'system:bootstrappers:kubeadm:default-node-token';

/** The two parts of a token. */
export interface JoinToken {
  readonly id: string;
  readonly secret: string;
}

/** What is known of a token that is there. */
export interface ListedToken {
  readonly token: string;
  /** Absent for one that does not expire. */
  readonly expires?: string;
  readonly usages: readonly string[];
  readonly description: string;
  readonly groups: string;
}

/** Reads `abcdef.0123456789abcdef`; undefined for what is no token. */
export function parseJoinToken(text: string): JoinToken | undefined {
  const [, id, secret] = tokenPattern.exec(text) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

/** A token of bytes by chance, at least 22 of them. */
export function joinTokenOf(bytes: Uint8Array): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';
  const text = [...bytes].map((byte) => letters[byte % letters.length]).join('');
  return `${text.slice(0, 6)}.${text.slice(6, 22)}`;
}

/** Makes the Secret of a token, which counts for `ttlMs`, or for good where that is 0. */
export async function createJoinToken(
  client: Client,
  { token, ttlMs, clock }: { readonly token: JoinToken; readonly ttlMs: number; readonly clock: Clock },
): Promise<void> {
  const expiration: Readonly<Record<string, string>> =
    ttlMs === 0 ? {} : { expiration: formatTimestamp(clock.nowMs() + ttlMs) };
  await client.resource(secrets).create({
    metadata: { name: `bootstrap-token-${token.id}`, namespace },
    type,
    data: Object.fromEntries(
      Object.entries({
        'token-id': token.id,
        'token-secret': token.secret,
        'usage-bootstrap-authentication': 'true',
        'usage-bootstrap-signing': 'true',
        'auth-extra-groups': joiningGroup,
        ...expiration,
      }).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
    ),
  });
}

/** All tokens that there are. */
export async function listJoinTokens(client: Client): Promise<readonly ListedToken[]> {
  const { items } = await client.resource(secrets).list({ namespace, fieldSelector: `type=${type}` });
  return items.map(listed);
}

/** Takes a token away, by its id or the whole of it. Rejects with what the server says where it is not there. */
export async function deleteJoinToken(client: Client, token: string): Promise<void> {
  await client.resource(secrets).delete(`bootstrap-token-${token.split('.')[0]}`, { namespace });
}

function listed({ data = {} }: Secret): ListedToken {
  const value = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString();
  const expires = value('expiration');
  return {
    token: `${value('token-id')}.${value('token-secret')}`,
    ...(expires === '' ? {} : { expires }),
    usages: ['authentication', 'signing'].filter((usage) => value(`usage-bootstrap-${usage}`) === 'true'),
    description: value('description'),
    groups: value('auth-extra-groups'),
  };
}
