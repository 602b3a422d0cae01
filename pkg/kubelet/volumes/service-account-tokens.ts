/** Tokens of service accounts for pods: asked for once, and anew when most of their life has passed. Source: kubelet `token_manager.go`. */
import type { Pod, ServiceAccountTokenProjection } from '#pkg/api/types/core-v1.ts';
import { serviceAccounts } from '#pkg/api/types/refs.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Client } from '#pkg/client/client.ts';
import { VolumeError } from './payload.ts';

/** A token is asked for anew when this part of its life has passed. */
const renewPart = 0.8;
const secondsDefault = 3600;

/** A token, and when to ask for another. */
export interface Token {
  readonly value: string;
  readonly renewAtMs: number;
}

/** The tokens of one node's pods. */
export class ServiceAccountTokens {
  readonly #client: Client;
  readonly #clock: Clock;
  /** By pod uid, then by volume, audience and path: as many as the pods that are here project. */
  readonly #byPod = new Map<string, Map<string, Token>>();

  constructor(deps: { readonly client: Client; readonly clock: Clock }) {
    this.#client = deps.client;
    this.#clock = deps.clock;
  }

  /** The token of a projection. Throws what the server refuses. */
  async token(pod: Pod, volume: string, source: ServiceAccountTokenProjection): Promise<Token> {
    const { uid = '', name = '', namespace = '' } = pod.metadata ?? {};
    const key = `${volume}/${source.audience ?? ''}/${source.path}`;
    const nowMs = this.#clock.nowMs();
    const known = this.#byPod.get(uid)?.get(key);
    if (known !== undefined && nowMs < known.renewAtMs) return known;
    const seconds = source.expirationSeconds ?? secondsDefault;
    const account = pod.spec?.serviceAccountName || 'default';
    const answer = (await this.#client.resource(serviceAccounts).createSubresource(
      account,
      'token',
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: {
          audiences: source.audience ? [source.audience] : [],
          expirationSeconds: seconds,
          boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name, uid },
        },
      } as never,
      { namespace },
    )) as { readonly status?: { readonly token?: string } };
    const value = answer.status?.token;
    if (value === undefined) throw new VolumeError(`failed to fetch token: the server gave none for ${account}`);
    const ofPod = this.#byPod.get(uid) ?? new Map<string, Token>();
    this.#byPod.set(uid, ofPod);
    const token = { value, renewAtMs: nowMs + seconds * 1000 * renewPart };
    ofPod.set(key, token);
    return token;
  }

  /** Forgets the tokens of a pod. */
  forget(podUid: string): void {
    this.#byPod.delete(podUid);
  }
}
