/** Objects of built-in kinds as `application/vnd.kubernetes.protobuf`. */

import { type JsonObject, parseApiVersion } from '#pkg/apimachinery/object.ts';
import { decodeMessage } from '#pkg/apimachinery/protobuf/decode.ts';
import { encodeMessage } from '#pkg/apimachinery/protobuf/encode.ts';
import { seal, unseal } from '#pkg/apimachinery/protobuf/envelope.ts';
import { kindFact } from '../facts.ts';
import { messageOf } from './descriptors.ts';

/** The object of a message, or why there is none, in the words of Go's decoder. */
export type ProtobufDecoded =
  | { readonly ok: true; readonly object: JsonObject }
  | { readonly ok: false; readonly error: string };

const metaTypes = 'io.k8s.apimachinery.pkg.apis.meta.v1';

function messageOfKind(apiVersion: string, kind: string): ReturnType<typeof messageOf> {
  // Every group serves these under its own version.
  if (kind === 'DeleteOptions' || kind === 'Status') return messageOf(`${metaTypes}.${kind}`);
  const gv = parseApiVersion(apiVersion);
  const fact = gv === undefined ? undefined : kindFact({ ...gv, kind });
  return fact === undefined ? undefined : messageOf(fact.type);
}

/** The envelope with an object of a built-in kind; undefined for a kind that has no protobuf form (custom resources, tables). */
export function encodeProtobuf(object: Readonly<JsonObject>): Uint8Array | undefined {
  const { apiVersion, kind } = object;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') return undefined;
  const message = messageOfKind(apiVersion, kind);
  return message === undefined ? undefined : seal({ apiVersion, kind, raw: encodeMessage(object, message) });
}

/** The object in an envelope, with the `apiVersion` and `kind` that the envelope names. */
export function decodeProtobuf(bytes: Uint8Array): ProtobufDecoded {
  const opened = unseal(bytes);
  if (!opened.ok) return opened;
  const { apiVersion, kind, raw } = opened.envelope;
  const message = messageOfKind(apiVersion, kind);
  if (message === undefined) return { ok: false, error: `no kind "${kind}" is registered for version "${apiVersion}"` };
  const decoded = decodeMessage(raw, message);
  return decoded.ok ? { ok: true, object: { apiVersion, kind, ...decoded.object } } : decoded;
}
