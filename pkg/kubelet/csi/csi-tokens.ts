/** Tokens of a pod's account for drivers that ask for some, by audience. Source: kubelet `volume/csi` `podServiceAccountTokenAttrs`. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { serviceAccounts } from '#pkg/api/types/refs.ts';
import type { CSIDriver } from '#pkg/api/types/storage-v1.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Texts } from './csi-messages.ts';

const tokensName = 'csi.storage.k8s.io/serviceAccount.tokens';

/** Where a driver gets them: among what it may show, or among what it may not. */
export interface CsiTokens {
  readonly attributes: Texts;
  readonly secrets: Texts;
}

/** The tokens that an object asks for, made anew. Rejects with what the server refuses. */
export async function csiTokens(client: Client, object: CSIDriver | undefined, pod: Pod): Promise<CsiTokens> {
  const requests = object?.spec.tokenRequests ?? [];
  if (requests.length === 0) return { attributes: {}, secrets: {} };
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  const tokens: Record<string, unknown> = {};
  for (const { audience, expirationSeconds } of requests) {
    const request = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: audience === '' ? [] : [audience],
        ...(expirationSeconds === undefined ? {} : { expirationSeconds }),
        boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name, uid },
      },
    };
    const account = pod.spec?.serviceAccountName || 'default';
    const answer = await client.resource(serviceAccounts).createSubresource(account, 'token', request, { namespace });
    tokens[audience] = statusOf(answer);
  }
  const said = { [tokensName]: JSON.stringify(tokens) };
  return object?.spec.serviceAccountTokenInSecrets === true
    ? { attributes: {}, secrets: said }
    : { attributes: said, secrets: {} };
}

function statusOf(answer: object): unknown {
  return 'status' in answer ? answer.status : undefined;
}
