/**
 * The messages of the KMS API, version 2, and of what upstream stores with a value that was sealed by it. Fields that are not known are passed over.
 * Source: kms `apis/v2/api.proto`; apiserver `storage/value/encrypt/envelope/kmsv2/v2/api.proto`.
 */
import { WireError } from '#pkg/apimachinery/protobuf/wire.ts';
import { Fields, framed, MessageWriter } from '#pkg/grpc/message.ts';

/** The calls. */
export const kmsCalls = {
  status: '/v2.KeyManagementService/Status',
  encrypt: '/v2.KeyManagementService/Encrypt',
  decrypt: '/v2.KeyManagementService/Decrypt',
} as const;

/** How the key of a value follows from what the KMS decrypts: it is the key itself, or a seed. */
export const dekSources = { aesGcmKey: 0, hkdfSeed: 1 } as const;

/** What a plugin says of itself. */
export interface KmsStatus {
  readonly version: string;
  readonly healthz: string;
  readonly keyId: string;
}

/** What a plugin keeps with what it encrypted, by name. */
export type KmsAnnotations = ReadonlyMap<string, Uint8Array>;

/** What a plugin has encrypted. */
export interface KmsEncrypted {
  readonly ciphertext: Uint8Array;
  readonly keyId: string;
  readonly annotations: KmsAnnotations;
}

/** A value as it is stored: sealed under a key that the KMS has to decrypt. */
export interface EncryptedObject extends KmsEncrypted {
  readonly data: Uint8Array;
  readonly source: number;
}

/** The question how a plugin is. */
export const statusRequest: Uint8Array = framed(() => {});

/** Asks a plugin to encrypt. */
export function encryptRequest(plaintext: Uint8Array, uid: string): Uint8Array {
  return framed((message) => {
    message.string(2, uid);
    message.bytes(1, plaintext);
  });
}

/** Asks a plugin to decrypt. */
export function decryptRequest({ ciphertext, keyId, annotations }: KmsEncrypted, uid: string): Uint8Array {
  return framed((message) => {
    message.map(4, annotations);
    message.string(3, keyId);
    message.string(2, uid);
    message.bytes(1, ciphertext);
  });
}

/** What a plugin has said. Throws `WireError`. */
export function statusOf(bytes: Uint8Array): KmsStatus {
  const fields = new Fields(bytes);
  return { version: fields.string(1), healthz: fields.string(2), keyId: fields.string(3) };
}

/** What a plugin has encrypted. Throws `WireError`. */
export function encryptedOf(bytes: Uint8Array): KmsEncrypted {
  const fields = new Fields(bytes);
  return { ciphertext: fields.bytes(1), keyId: fields.string(2), annotations: fields.map(3) };
}

/** What a plugin has decrypted. Throws `WireError`. */
export function plaintextOf(bytes: Uint8Array): Uint8Array {
  return new Fields(bytes).bytes(1);
}

/** A value as it is stored. */
export function encodeObject({ data, keyId, ciphertext, annotations, source }: EncryptedObject): Uint8Array {
  const message = new MessageWriter();
  message.number(5, source);
  message.map(4, annotations);
  message.bytes(3, ciphertext);
  message.string(2, keyId);
  message.bytes(1, data);
  return message.finish();
}

/** The same again. Throws an `Error` for what is none, or has not all that it needs. */
export function decodeObject(bytes: Uint8Array): EncryptedObject {
  const fields = new Fields(bytes);
  const data = fields.bytes(1);
  if (data.length === 0) throw new WireError('encrypted data is empty');
  return {
    data,
    keyId: fields.string(2),
    ciphertext: fields.bytes(3),
    annotations: fields.map(4),
    source: fields.number(5),
  };
}
