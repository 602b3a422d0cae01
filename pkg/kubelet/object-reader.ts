/** Objects that containers refer to, as they are now. */
import { configMaps, secrets } from '#pkg/api/types/refs.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { unlessGone } from '#pkg/apimachinery/status-error.ts';
import type { Client } from '#pkg/client/client.ts';
import type { ObjectReader } from './env/environment.ts';

/** Reads in the name of `client`; what is not there is undefined. Rejects with what the server refuses. */
export function objectReader(client: Client): ObjectReader {
  const read = <T extends KubeObject>(ref: ResourceRef<T>, namespace: string, name: string): Promise<T | undefined> =>
    unlessGone(client.resource(ref).get(name, { namespace }));
  return {
    configMap: (namespace, name) => read(configMaps, namespace, name),
    secret: (namespace, name) => read(secrets, namespace, name),
  };
}
