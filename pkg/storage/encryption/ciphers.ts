/**
 * The ciphers of values at rest, in upstream's layouts, byte for byte: a value that one of them sealed can be opened by a Kubernetes API server with the same key,
 * and the reverse. Nothing here knows of names of keys or of prefixes (`key-ring.ts` does).
 *
 * | cipher | bytes | bound to its place |
 * |---|---|---|
 * | aescbc | 16 of IV, blocks padded as PKCS#7 | no |
 * | aesgcm | 12 of nonce, text, 16 of tag | by the key of the store as associated data |
 * | secretbox | 24 of nonce, 16 of tag, text (XSalsa20-Poly1305) | no |
 * | a seed of KMS v2 | 32 of info, then aesgcm under HKDF-Expand(seed, info) | as aesgcm |
 *
 * Source: apiserver `storage/value/encrypt/{aes,secretbox}`; NaCl's secretbox; RFC 5869 section 2.3.
 */

import { type CipherGCMTypes, createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';

/** Seals and opens values under one key. `place` is the key of the store under which the value lies. */
export interface ValueCipher {
  seal(plain: Uint8Array, place: string): Uint8Array;
  /** Throws an `Error` for what this key did not seal, or not at this place where the cipher is bound to it. */
  open(sealed: Uint8Array, place: string): Uint8Array;
}

const ivBytes = 16;
const gcmNonceBytes = 12;
const gcmTagBytes = 16;
const boxNonceBytes = 24;
/** Bytes of a seed, at least, of what a key is derived by, and of the derived key. */
const derivedBytes = 32;

const tooShort = 'the stored data was shorter than the required size';

/** AES in CBC mode; the key has 16, 24 or 32 bytes. It tells neither a changed value nor one from another place. */
export function aesCbc(key: Uint8Array): ValueCipher {
  const name = `aes-${key.length * 8}-cbc`;
  return {
    seal(plain) {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv(name, key, iv);
      return Buffer.concat([iv, cipher.update(plain), cipher.final()]);
    },
    open(sealed) {
      if (sealed.length < ivBytes) throw new Error(tooShort);
      const body = sealed.subarray(ivBytes);
      if (body.length % ivBytes !== 0) throw new Error('the stored data is not a multiple of the block size');
      if (body.length === 0) throw new Error('invalid PKCS7 data (empty or not padded)');
      try {
        const cipher = createDecipheriv(name, key, sealed.subarray(0, ivBytes));
        return Buffer.concat([cipher.update(body), cipher.final()]);
      } catch (error) {
        throw new Error('invalid padding on input', { cause: error });
      }
    },
  };
}

/** AES in Galois/Counter mode with nonces by chance; the key has 16, 24 or 32 bytes. */
export function aesGcm(key: Uint8Array): ValueCipher {
  return {
    seal: (plain, place) => sealGcm(key, plain, place),
    open: (sealed, place) => openGcm(key, sealed, place),
  };
}

function gcmName(key: Uint8Array): CipherGCMTypes {
  if (key.length === 32) return 'aes-256-gcm';
  return key.length === 24 ? 'aes-192-gcm' : 'aes-128-gcm';
}

function sealGcm(key: Uint8Array, plain: Uint8Array, place: string): Buffer {
  const nonce = randomBytes(gcmNonceBytes);
  const cipher = createCipheriv(gcmName(key), key, nonce);
  cipher.setAAD(Buffer.from(place));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function openGcm(key: Uint8Array, sealed: Uint8Array, place: string): Buffer {
  if (sealed.length < gcmNonceBytes) throw new Error(tooShort);
  try {
    const tagAt = sealed.length - gcmTagBytes;
    const nonce = sealed.subarray(0, gcmNonceBytes);
    const cipher = createDecipheriv(gcmName(key), key, nonce, {
      authTagLength: gcmTagBytes,
    });
    cipher.setAAD(Buffer.from(place));
    cipher.setAuthTag(sealed.subarray(Math.max(gcmNonceBytes, tagAt)));
    return Buffer.concat([
      cipher.update(sealed.subarray(gcmNonceBytes, Math.max(gcmNonceBytes, tagAt))),
      cipher.final(),
    ]);
  } catch (error) {
    throw new Error('cipher: message authentication failed', { cause: error });
  }
}

/** XSalsa20-Poly1305; the key has 32 bytes. It tells a changed value, but not one from another place. */
export function secretbox(key: Uint8Array): ValueCipher {
  return {
    seal(plain) {
      const nonce = randomBytes(boxNonceBytes);
      return Buffer.concat([nonce, xsalsa20poly1305(key, nonce).encrypt(plain)]);
    },
    open(sealed) {
      if (sealed.length < boxNonceBytes) throw new Error(tooShort);
      try {
        return xsalsa20poly1305(key, sealed.subarray(0, boxNonceBytes)).decrypt(sealed.subarray(boxNonceBytes));
      } catch (error) {
        throw new Error('invalid padding on input', { cause: error });
      }
    },
  };
}

/** AES-GCM under keys derived from a seed, a new one for each value, so that no nonce can come twice. Throws for a seed that is too short. */
export function seededGcm(seed: Uint8Array): ValueCipher {
  if (seed.length < derivedBytes) throw new Error(`invalid seed length ${seed.length} used for key generation`);
  return {
    seal(plain, place) {
      const info = randomBytes(derivedBytes);
      return Buffer.concat([info, sealGcm(expand(seed, info), plain, place)]);
    },
    open(sealed, place) {
      if (sealed.length < derivedBytes) throw new Error(tooShort);
      const info = sealed.subarray(0, derivedBytes);
      return openGcm(expand(seed, info), sealed.subarray(derivedBytes), place);
    },
  };
}

/** A new seed. */
export function newSeed(): Uint8Array {
  return randomBytes(derivedBytes);
}

/** The first block of HKDF-Expand with SHA-256, which is all of a key. */
function expand(seed: Uint8Array, info: Uint8Array): Buffer {
  return createHmac('sha256', seed).update(info).update(Uint8Array.of(1)).digest();
}
