/**
 * Signs the kubeconfig in the ConfigMap `cluster-info` of `kube-public` with every bootstrap token that may sign, so that a joining node which knows one can
 * trust the authority in it. Does nothing in a cluster that has no such ConfigMap. Upstream counterpart: `pkg/controller/bootstrap/bootstrapsigner.go`.
 */
import { createHmac } from 'node:crypto';
import type { ConfigMap, Secret } from '#pkg/api/types/core-v1.ts';
import { configMaps, secrets } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';

const workers = 1;
const [infoNamespace, infoName] = ['kube-public', 'cluster-info'];
const infoKey = `${infoNamespace}/${infoName}`;
const tokenNamespace = 'kube-system';
const tokenSelector = 'type=bootstrap.kubernetes.io/token';
const secretPrefix = 'bootstrap-token-';
const signaturePrefix = 'jws-kubeconfig-';

/** The signature of a text by a token: a JWS without its content (RFC 7515, appendix F), of which both sides have the same. */
export function detachedSignature(content: string, token: { readonly id: string; readonly secret: string }): string {
  const encode = (text: string): string => Buffer.from(text).toString('base64url');
  const header = encode(JSON.stringify({ alg: 'HS256', kid: token.id }));
  const signature = createHmac('sha256', token.secret)
    .update(`${header}.${encode(content)}`)
    .digest('base64url');
  return `${header}..${signature}`;
}

/** The signer. */
export function createBootstrapSigner(context: ControllerContext): Component {
  const { client, clock, informers } = context;
  const infos = informers.informer(configMaps, {
    namespace: infoNamespace,
    fieldSelector: `metadata.name=${infoName}`,
  });
  const tokens = informers.informer(secrets, { fieldSelector: tokenSelector });
  const sign = async (): Promise<ReconcileResult> => {
    const info = infos.lister.get(infoKey);
    const content = info?.data?.kubeconfig;
    if (info === undefined || content === undefined) return undefined;
    const nowMs = clock.nowMs();
    const held = tokens.lister.list(tokenNamespace).flatMap((secret) => tokenOf(secret, nowMs) ?? []);
    const data = signedData(info, content, held);
    try {
      if (!deepEqual(data, info.data)) await client.resource(configMaps).update({ ...info, data });
    } catch (error) {
      if (!isConflict(error) && !isNotFound(error)) throw error;
    }
    const next = Math.min(...held.map(({ expiresMs }) => expiresMs));
    return Number.isFinite(next) ? { requeueAfterMs: Math.max(0, next - nowMs) + 1 } : undefined;
  };
  const loop = createLoop(context, { name: 'bootstrap_signer', workers, reconcile: sign });
  const enqueue = (): void => loop.queue.add(infoKey);
  infos.addHandler({ added: enqueue, updated: enqueue });
  tokens.addHandler({ added: enqueue, updated: enqueue, deleted: enqueue });
  return loop;
}

interface Token {
  readonly id: string;
  readonly secret: string;
  readonly expiresMs: number;
}

/** The token of a Secret that may sign; undefined for one that may not, has expired, or has another name than its token. */
function tokenOf({ metadata, data }: Secret, nowMs: number): Token | undefined {
  const value = (key: string): string => Buffer.from(data?.[key] ?? '', 'base64').toString();
  const [id, secret, expiration] = [value('token-id'), value('token-secret'), value('expiration')];
  if (id === '' || secret === '' || metadata?.name !== `${secretPrefix}${id}`) return undefined;
  if (value('usage-bootstrap-signing') !== 'true') return undefined;
  const expiresMs = expiration === '' ? Number.POSITIVE_INFINITY : Date.parse(expiration);
  // What cannot be read has expired.
  return expiresMs > nowMs ? { id, secret, expiresMs } : undefined;
}

function signedData({ data = {} }: ConfigMap, content: string, tokens: readonly Token[]): Record<string, string> {
  const others = Object.entries(data).filter(([key]) => !key.startsWith(signaturePrefix));
  const own = tokens.map((token) => [`${signaturePrefix}${token.id}`, detachedSignature(content, token)]);
  return Object.fromEntries([...others, ...own]);
}
