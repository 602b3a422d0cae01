/** Owner references and hashes of templates, as controllers use them. */
import { canonicalJson } from './json.ts';
import { apiVersionOf, type KubeObject, type OwnerReference, type ResourceRef } from './object.ts';

/** The reference a controller puts on what it makes: it owns it, controls it and blocks its own foreground deletion for it. */
export function controllerReference(owner: KubeObject, ref: ResourceRef): OwnerReference {
  return {
    apiVersion: apiVersionOf(ref),
    kind: ref.kind,
    name: owner.metadata?.name ?? '',
    uid: owner.metadata?.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}

const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** Text made of letters that names may have and that form no words. Source: apimachinery `rand.SafeEncodeString`. */
export function safeEncode(text: string): string {
  let encoded = '';
  for (let i = 0; i < text.length; i++) encoded += alphabet[text.charCodeAt(i) % alphabet.length];
  return encoded;
}

/** 32-bit FNV-1a of a text's UTF-8 bytes. */
export function fnv32a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text, 'utf8')) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/**
 * A short hash of a JSON value for names, such as `pod-template-hash`: equal values give equal hashes, whatever the order of
 * their keys. It is not the number that upstream computes (that hashes Go's memory layout), which nothing may depend on.
 * `collisionCount` makes another hash of the same value.
 */
export function hashObject(value: unknown, collisionCount?: number): string {
  const text = canonicalJson(value) + (collisionCount === undefined ? '' : `#${collisionCount}`);
  return safeEncode(String(fnv32a(text)));
}
