/** Secrets that volumes name for their drivers. Source: kubelet `volume/csi` `getCredentialsFromSecret`. */
import type { SecretReference } from '#pkg/api/types/core-v1.ts';
import { secrets } from '#pkg/api/types/refs.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Texts } from './csi-messages.ts';

/** What is in a secret, as text; nothing where none is named. Rejects with what the server refuses. */
export async function secretsOf(client: Client, reference: SecretReference | undefined): Promise<Texts> {
  if (reference === undefined) return {};
  const { name = '', namespace = '' } = reference;
  const { data = {} } = await client.resource(secrets).get(name, { namespace });
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
  );
}
