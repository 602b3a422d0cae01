/** Updates of objects that controllers and kubelets write too. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { isConflict } from '#pkg/apimachinery/status-error.ts';
import type { ResourceClient } from '#pkg/client/client.ts';

/** Times that an update is tried. Source: client-go `retry.DefaultRetry`. */
const triesMax = 5;

/** Which object, by name; the rest goes to the client as it is. */
export interface RewriteOptions {
  readonly namespace?: string;
  readonly subresource?: string;
}

/** Reads an object and writes it changed, again where another writer came between, as upstream's tests do. Throws what else the server answers. */
export async function rewrite<T extends KubeObject>(
  client: ResourceClient<T>,
  name: string,
  { change, ...options }: RewriteOptions & { readonly change: (current: T) => T },
): Promise<T> {
  for (let tries = 1; ; tries++) {
    const current = await client.get(name, options);
    try {
      return await client.update(change(current), options);
    } catch (error) {
      if (!isConflict(error) || tries >= triesMax) throw error;
    }
  }
}
