/**
 * Values sealed under a seed that a KMS plugin has encrypted. The seed is made here and is in memory only; what is stored has it as the plugin encrypted it, so that
 * a start asks the plugin once for each seed that there is. The plugin is asked how it is every minute, and every ten seconds while it is not well; when its
 * key has another id, a new seed is made and what was sealed before is stale.
 *
 * Invariants: reading needs the plugin for seeds that are not known, and else never. Sealing needs a seed; one is taken for up to three minutes after the plugin
 * was last well, so that a change of keys is known to all servers by then. Seeds that were decrypted are kept, at most `seedsMax`.
 * Upstream counterpart: apiserver `storage/value/encrypt/envelope/kmsv2/envelope.go`, `server/options/encryptionconfig` `kmsv2PluginProbe`.
 */
import { createHash } from 'node:crypto';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import { aesGcm, newSeed, seededGcm, type ValueCipher } from '../ciphers.ts';
import type { OpenedValue, SealedValue, ValueGuard } from '../value-guard.ts';
import { decodeObject, dekSources, type EncryptedObject, encodeObject, type KmsEncrypted } from './kms-messages.ts';
import type { KmsMetrics } from './kms-metrics.ts';
import type { KmsService } from './kms-service.ts';

/** How long an answer of the plugin counts when its health is asked for. Source: `kmsPluginHealthz{Positive,Negative}TTL`. */
const healthyTtlMs = 20_000;
const unhealthyTtlMs = 3_000;

/** How often the plugin is asked by itself. Source: `kmsv2PluginHealthz{Positive,Negative}Interval`. */
const pollMs = 60_000;
const pollUnhealthyMs = 10_000;

/** How long values are sealed after the plugin was last well. Source: `kmsv2PluginWriteDEKSourceMaxTTL`. */
const sealingTtlMs = 180_000;

/** Bytes that a plugin may have stored with each value. Source: `ValidateEncryptedObject`. */
const keyIdBytesMax = 1024;
const sourceBytesMax = 1024;
const annotationBytesMax = 32 * 1024;

/** Seeds kept that were decrypted: there is one for each start of a server and each key of the plugin. The oldest goes, and is asked for again. */
const seedsMax = 10_000;

/** What a provider is made of. */
export interface KmsProviderOptions {
  readonly name: string;
  readonly service: KmsService;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: KmsMetrics;
}

/** What values are sealed with now. */
interface Sealing {
  readonly cipher: ValueCipher;
  readonly encrypted: KmsEncrypted;
  readonly mark: string;
  readonly untilMs: number;
}

/** One KMS plugin as a provider. */
export class KmsProvider implements ValueGuard {
  readonly #options: KmsProviderOptions;
  #sealing: Sealing | undefined;
  /** The version that the plugin first said it has. */
  #version: string | undefined;
  readonly #seeds = new Map<string, Promise<ValueCipher> | ValueCipher>();
  #asked: { readonly untilMs: number; readonly error: Error | undefined } | undefined;
  #asking: Promise<void> | undefined;

  constructor(options: KmsProviderOptions) {
    this.#options = options;
  }

  get mark(): string | undefined {
    return this.#sealing?.mark;
  }

  seal(plain: Uint8Array, place: string): SealedValue {
    const sealing = this.#sealing;
    if (sealing === undefined) throw new Error(`no key was ever got from the KMS provider ${this.#options.name}`);
    const nowMs = this.#options.clock.nowMs();
    const { encrypted, cipher, mark, untilMs } = sealing;
    if (nowMs > untilMs) {
      throw new Error(
        `encryptedDEKSource with keyID hash "${hashOf(encrypted.keyId)}" expired at ${timeText(untilMs)} (current time is ${timeText(nowMs)})`,
      );
    }
    this.#options.metrics.used('to_storage', hashOf(encrypted.keyId));
    const data = cipher.seal(plain, place);
    return { sealed: encodeObject({ ...encrypted, data, source: dekSources.hkdfSeed }), mark };
  }

  open(sealed: Uint8Array, place: string): OpenedValue | Promise<OpenedValue> {
    const object = decodeObject(sealed);
    checkEncrypted(object);
    const { keyId, source, data } = object;
    if (source !== dekSources.aesGcmKey && source !== dekSources.hkdfSeed)
      throw new Error(`unknown encryptedDEKSourceType: ${source}`);
    const mark = markOf(keyId, source);
    const opened = (cipher: ValueCipher): OpenedValue => {
      this.#options.metrics.used('from_storage', hashOf(keyId));
      return { plain: cipher.open(data, place), mark };
    };
    const cipher = this.#cipherOf(object);
    return cipher instanceof Promise ? cipher.then(opened) : opened(cipher);
  }

  /** Resolves with why the plugin is not well; undefined where it is. What is known is some seconds old at most. */
  async check(): Promise<Error | undefined> {
    const { clock } = this.#options;
    if (this.#asked === undefined || clock.monotonicMs() >= this.#asked.untilMs) {
      this.#asking ??= this.#ask().finally(() => {
        this.#asking = undefined;
      });
      await this.#asking;
    }
    return this.#asked?.error;
  }

  /** Asks the plugin again and again, until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, name } = this.#options;
    while (!signal.aborted) {
      const error = await this.check();
      if (signal.aborted) return;
      if (error !== undefined) log.warn('KMS plugin is not well', { name, error: error.message });
      await sleep(clock, error === undefined ? pollMs : pollUnhealthyMs, signal);
    }
  }

  close(): void {
    this.#options.service.close();
  }

  async #ask(): Promise<void> {
    const { clock, name } = this.#options;
    let error: Error | undefined;
    try {
      const problems = await this.#problems();
      if (problems.length > 0) error = new Error(`kmsv2 Provider ${name} is not healthy, error: ${oneLine(problems)}`);
    } catch (cause) {
      const text = `failed to perform status section of the healthz check for KMS Provider ${name}, error: ${errorText(cause)}`;
      error = new Error(text, { cause });
    }
    const ttlMs = error === undefined ? healthyTtlMs : unhealthyTtlMs;
    this.#asked = { error, untilMs: clock.monotonicMs() + ttlMs };
  }

  async #problems(): Promise<readonly string[]> {
    const { service, metrics } = this.#options;
    // Before the question: until then is the latest that an answer of now may count.
    const untilMs = this.#options.clock.nowMs() + sealingTtlMs;
    const { healthz, version, keyId } = await service.status();
    const problems: string[] = [];
    if (healthz !== 'ok') problems.push(`got unexpected healthz status: ${healthz}`);
    if (version !== 'v2' && version !== 'v2beta1') problems.push(`expected KMSv2 API version v2, got ${version}`);
    else {
      this.#version ??= version;
      if (this.#version !== version)
        problems.push(
          `KMSv2 API version should not change after the initial status response version ${this.#version}, got ${version}`,
        );
    }
    const wrong = keyIdProblem(keyId);
    if (wrong !== undefined) {
      metrics.invalidKeyId(keyId === '' ? 'empty' : 'too_long');
      problems.push(`got invalid KMSv2 KeyID hash "${hashOf(keyId)}": ${wrong}`);
    } else {
      metrics.told(hashOf(keyId));
      const failed = await this.#renew(keyId, untilMs);
      if (failed !== undefined) problems.push(failed);
    }
    return problems;
  }

  /** Takes what values are sealed with for longer, or makes it anew for another key. Returns why that cannot be. */
  async #renew(keyId: string, untilMs: number): Promise<string | undefined> {
    const { service, random } = this.#options;
    const before = this.#sealing;
    if (before?.encrypted.keyId === keyId) {
      this.#sealing = { ...before, untilMs };
      return undefined;
    }
    const seed = newSeed();
    try {
      const encrypted = await service.encrypt(seed, random.uuid());
      checkEncrypted(encrypted);
      if (encrypted.keyId !== keyId) throw new Error('the key of its status is not the one that it encrypts with');
      const cipher = seededGcm(seed);
      this.#keepSeed(seedKey({ ...encrypted, source: dekSources.hkdfSeed }), cipher);
      this.#sealing = { cipher, encrypted, mark: markOf(keyId, dekSources.hkdfSeed), untilMs };
      return undefined;
    } catch (error) {
      return `failed to rotate DEK: ${errorText(error)}, statusKeyIDHash="${hashOf(keyId)}", stateKeyIDHash="${hashOf(before?.encrypted.keyId ?? '')}"`;
    }
  }

  /** What a value was sealed with: asked for once, however many values it is asked for. */
  #cipherOf(object: EncryptedObject): Promise<ValueCipher> | ValueCipher {
    const key = seedKey(object);
    const known = this.#seeds.get(key);
    if (known !== undefined) return known;
    this.#options.metrics.missed();
    const { ciphertext, keyId, annotations, source } = object;
    const copied = { ciphertext: Buffer.from(ciphertext), keyId, annotations: copyOf(annotations) };
    const asked = this.#options.service.decrypt(copied, this.#options.random.uuid()).then(
      (plaintext) => {
        // The answer shares its memory with what came beside it.
        const secret = Buffer.from(plaintext);
        const cipher = source === dekSources.hkdfSeed ? seededGcm(secret) : aesGcm(keyOf(secret));
        this.#keepSeed(key, cipher);
        return cipher;
      },
      (error: unknown) => {
        throw new Error(`failed to decrypt DEK, error: ${errorText(error)}`, { cause: error });
      },
    );
    this.#keepSeed(key, asked);
    asked.catch(() => this.#seeds.delete(key));
    return asked;
  }

  #keepSeed(key: string, cipher: Promise<ValueCipher> | ValueCipher): void {
    this.#seeds.delete(key);
    this.#seeds.set(key, cipher);
    if (this.#seeds.size > seedsMax)
      for (const oldest of this.#seeds.keys()) {
        this.#seeds.delete(oldest);
        break;
      }
    this.#options.metrics.kept(this.#seeds.size);
  }
}

function keyOf(secret: Uint8Array): Uint8Array {
  if (![16, 24, 32].includes(secret.length)) throw new Error(`crypto/aes: invalid key size ${secret.length}`);
  return secret;
}

function copyOf(annotations: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, Uint8Array> {
  return new Map([...annotations].map(([name, value]) => [name, Buffer.from(value)]));
}

function markOf(keyId: string, source: number): string {
  return `${source}/${keyId}`;
}

/** Tells one encrypted seed from another. */
function seedKey({ ciphertext, keyId, annotations, source }: KmsEncrypted & { readonly source: number }): string {
  const hash = createHash('sha256');
  const parts: (string | Uint8Array)[] = [String(source), ciphertext, keyId];
  for (const [name, value] of [...annotations].sort(([a], [b]) => (a < b ? -1 : 1))) parts.push(name, value);
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest('base64');
}

function keyIdProblem(keyId: string): string | undefined {
  if (keyId === '') return 'keyID is empty';
  const bytes = Buffer.byteLength(keyId);
  return bytes > keyIdBytesMax ? `keyID is ${bytes} bytes, which exceeds the max size of ${keyIdBytesMax}` : undefined;
}

/** Throws an `Error` for what a plugin must not have stored with values. */
function checkEncrypted({ ciphertext, keyId, annotations }: KmsEncrypted): void {
  const source = 'failed to validate encrypted DEK source: encrypted DEK source is';
  if (ciphertext.length === 0) throw new Error(`${source} empty`);
  if (ciphertext.length > sourceBytesMax)
    throw new Error(`${source} ${ciphertext.length} bytes, which exceeds the max size of ${sourceBytesMax}`);
  const wrong = keyIdProblem(keyId);
  if (wrong !== undefined) throw new Error(`failed to validate key id: ${wrong}`);
  let bytes = 0;
  for (const [name, value] of annotations) {
    if (!domainName.test(name))
      throw new Error(`failed to validate annotations: ${JSON.stringify(name)} is no fully qualified domain name`);
    bytes += Buffer.byteLength(name) + value.length;
  }
  if (bytes > annotationBytesMax)
    throw new Error(
      `failed to validate annotations: total size of annotations is ${bytes}, which exceeds the max size of ${annotationBytesMax}`,
    );
}

/** Two labels at least. Source: `IsFullyQualifiedDomainName`. */
const domainName = /^(?=.{1,254}$)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+\.?$/;

function hashOf(text: string): string {
  return text === '' ? '' : `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

function oneLine(problems: readonly string[]): string {
  return problems.length === 1 ? (problems[0] ?? '') : `[${problems.join(', ')}]`;
}
