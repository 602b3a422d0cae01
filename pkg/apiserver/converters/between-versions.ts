/** From one served version of a resource to another, by way of the stored one. Of versions that nobody has to be asked about. */
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { ServedResource } from '../catalog.ts';

/** The object, given in `from`, in `to`; the same one where these are the same. The result may share parts with it. */
export function betweenVersions(
  object: JsonObject,
  { from, to }: { readonly from: ServedResource; readonly to: ServedResource },
): JsonObject {
  return from === to ? object : (to.view.fromStored(from.view.toStored(object) as KubeObject) as JsonObject);
}
