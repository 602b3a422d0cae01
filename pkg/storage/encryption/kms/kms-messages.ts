/**
 * The messages of the KMS API, version 2, and of what upstream stores with a value that was sealed by it. Fields that are not known are passed over.
 * Source: kms `apis/v2/api.proto`; apiserver `storage/value/encrypt/envelope/kmsv2/v2/api.proto`.
 */
import { BackwardWriter, Reader, WireError, wireBytes, wireVarint } from '#pkg/apimachinery/protobuf/wire.ts';
import { frameHead } from '../../drivers/etcd/grpc-frames.ts';

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

class Message extends BackwardWriter {
  bytes(field: number, value: Uint8Array): void {
    const before = this.length;
    this.raw(value);
    this.delimit(field, before);
  }

  string(field: number, value: string): void {
    if (value !== '') this.bytes(field, Buffer.from(value));
  }

  /** Sorted by name, so that the same is written the same way. */
  map(field: number, values: KmsAnnotations): void {
    for (const [name, value] of [...values].sort(([a], [b]) => (a < b ? 1 : -1))) {
      const before = this.length;
      this.bytes(2, value);
      this.bytes(1, Buffer.from(name));
      this.delimit(field, before);
    }
  }
}

function framed(write: (message: Message) => void): Uint8Array {
  const message = new Message();
  write(message);
  message.raw(frameHead(message.length));
  return message.finish();
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

/** Calls `field` for each field of a message with its bytes, or its number. Throws `WireError`. */
function each(bytes: Uint8Array, field: (number: number, value: Buffer, integer: number) => void): void {
  const reader = new Reader(bytes);
  while (!reader.atEnd) {
    const tag = reader.varint();
    const type = tag % 8;
    if (type === wireBytes) field(Math.floor(tag / 8), reader.delimited(), 0);
    else if (type === wireVarint) field(Math.floor(tag / 8), nothing, reader.varint());
    else reader.skip(type);
  }
}

const nothing: Buffer = Buffer.alloc(0);

/** What a plugin has said. Throws `WireError`. */
export function statusOf(bytes: Uint8Array): KmsStatus {
  const texts = ['', '', '', ''];
  each(bytes, (number, value) => {
    if (number <= 3) texts[number] = value.toString('utf8');
  });
  const [, version = '', healthz = '', keyId = ''] = texts;
  return { version, healthz, keyId };
}

/** What a plugin has encrypted. Throws `WireError`. */
export function encryptedOf(bytes: Uint8Array): KmsEncrypted {
  const annotations = new Map<string, Uint8Array>();
  let ciphertext: Uint8Array = nothing;
  let keyId = '';
  each(bytes, (number, value) => {
    if (number === 1) ciphertext = value;
    else if (number === 2) keyId = value.toString('utf8');
    else if (number === 3) annotations.set(...annotationOf(value));
  });
  return { ciphertext, keyId, annotations };
}

/** What a plugin has decrypted. Throws `WireError`. */
export function plaintextOf(bytes: Uint8Array): Uint8Array {
  let plaintext: Uint8Array = nothing;
  each(bytes, (number, value) => {
    if (number === 1) plaintext = value;
  });
  return plaintext;
}

/** A value as it is stored. */
export function encodeObject({ data, keyId, ciphertext, annotations, source }: EncryptedObject): Uint8Array {
  const message = new Message();
  if (source !== 0) {
    message.varint(source);
    message.tag(5, wireVarint);
  }
  message.map(4, annotations);
  message.bytes(3, ciphertext);
  message.string(2, keyId);
  message.bytes(1, data);
  return message.finish();
}

/** The same again. Throws an `Error` for what is none, or has not all that it needs. */
export function decodeObject(bytes: Uint8Array): EncryptedObject {
  const annotations = new Map<string, Uint8Array>();
  const object = { data: nothing, keyId: '', ciphertext: nothing, source: 0 };
  each(bytes, (number, value, integer) => {
    if (number === 1) object.data = value;
    else if (number === 2) object.keyId = value.toString('utf8');
    else if (number === 3) object.ciphertext = value;
    else if (number === 4) annotations.set(...annotationOf(value));
    else if (number === 5) object.source = integer;
  });
  if (object.data.length === 0) throw new WireError('encrypted data is empty');
  return { ...object, annotations };
}

function annotationOf(bytes: Uint8Array): [string, Uint8Array] {
  let name = '';
  let value: Uint8Array = nothing;
  each(bytes, (number, part) => {
    if (number === 1) name = part.toString('utf8');
    else if (number === 2) value = part;
  });
  return [name, value];
}
