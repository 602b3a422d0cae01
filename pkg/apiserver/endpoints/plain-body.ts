/** Bodies of requests that are about no resource: JSON objects of a few fields. */
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { readBytes } from './body.ts';

/** The object in the body; undefined where there is none. */
export async function plainBody({ body }: ApiRequest): Promise<JsonObject | undefined> {
  if (body?.kind === 'object') return isObject(body.object) ? body.object : undefined;
  const bytes = body === undefined ? new Uint8Array() : body.kind === 'unread' ? await readBytes(body) : body.bytes;
  try {
    const data: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isObject(data) ? data : undefined;
  } catch {
    return undefined;
  }
}
