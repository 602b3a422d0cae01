/**
 * A connection in the name of a service account, with tokens that whoever makes it may ask for: the account is made when it is not there, and a token
 * is asked for anew when most of its life has passed, or once it is refused. Upstream counterpart: controller-manager's `clientbuilder`.
 */
import { serviceAccounts } from '#pkg/api/types/refs.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { isAlreadyExists, isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Client, Transport } from './client.ts';

/** Whose name it is, and who asks for the tokens. */
export interface AccountTransportOptions {
  /** Asks for the tokens, and makes the account. */
  readonly client: Client;
  /** Shows no credentials of its own. */
  readonly transport: Transport;
  readonly clock: Clock;
  readonly namespace: string;
  readonly name: string;
}

const tokenSeconds = 3600;
/** A token is asked for anew when this part of its life has passed. */
const renewPart = 0.75;

interface Token {
  readonly value: string;
  readonly renewAtMs: number;
}

/** Requests wait for the first token, which all of them share. */
export function accountTransport({ client, transport, clock, namespace, name }: AccountTransportOptions): Transport {
  const resource = client.resource(serviceAccounts);
  let token: Token | undefined;
  let asking: Promise<Token> | undefined;

  const request = async (): Promise<string> => {
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: [], expirationSeconds: tokenSeconds },
    } as KubeObject;
    const answer = (await resource.createSubresource(name, 'token', body, { namespace })) as {
      readonly status?: { readonly token?: string };
    };
    return answer.status?.token ?? '';
  };
  const ask = async (): Promise<Token> => {
    const renewAtMs = clock.nowMs() + tokenSeconds * 1000 * renewPart;
    try {
      return { value: await request(), renewAtMs };
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    try {
      await resource.create({ metadata: { name, namespace } });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    return { value: await request(), renewAtMs };
  };
  const current = async (): Promise<Token> => {
    if (token !== undefined && clock.nowMs() < token.renewAtMs) return token;
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    token = await asking;
    return token;
  };
  return {
    async request(asked) {
      const shown = await current();
      const headers = { ...asked.headers, authorization: `Bearer ${shown.value}` };
      const answer = await transport.request({ ...asked, headers });
      if (answer.status === 401 && token === shown) token = undefined;
      return answer;
    },
  };
}
