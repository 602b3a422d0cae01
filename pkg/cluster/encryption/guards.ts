/** Guards for the resources of a configuration that was found to be right. Source: apiserver `server/options/encryptionconfig/config.go`. */
import { parseDurationMs } from '#pkg/apimachinery/time.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Metrics } from '#pkg/base/metrics.ts';
import type { Random } from '#pkg/base/random.ts';
import type { GuardTable } from '#pkg/storage/encryption/guarded-keys.ts';
import { guardOf, keyedProvider, type NamedKey } from '#pkg/storage/encryption/key-ring.ts';
import type { KmsProvider } from '#pkg/storage/encryption/kms/kms-provider.ts';
import { identityGuard, type ValueGuard, type ValueProvider } from '#pkg/storage/encryption/value-guard.ts';
import {
  type KeyConfig,
  type KmsConfig,
  kmsTimeoutMsDefault,
  type ProviderConfig,
  type ResourceConfig,
  secretOf,
  socketOf,
} from './encryption-config.ts';

/** What encryption needs beside the store. */
export interface EncryptionDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** What follows from a configuration. */
export interface ConfiguredGuards {
  readonly guards: GuardTable;
  /** KMS plugins, none of which was asked yet. */
  readonly plugins: readonly KmsProvider[];
}

/** Loads what the providers need: the ciphers only where there are keys, and what speaks to plugins only where there are some. */
export async function guardsOf(
  config: readonly ResourceConfig[],
  deps: EncryptionDeps,
  metrics: Metrics,
): Promise<ConfiguredGuards> {
  const guards = new Map<string, ValueGuard>();
  const plugins: KmsProvider[] = [];
  const later = new Map<string, ValueProvider[]>();
  for (const { resources = [], providers = [] } of config) {
    const made: ValueProvider[] = [];
    for (const provider of providers) made.push(await providerOf(provider, { deps, metrics, plugins }));
    // A resource that is named again has the later providers after the earlier ones.
    for (const name of resources) later.set(name, [...(later.get(name) ?? []), ...made]);
  }
  for (const [name, providers] of later) guards.set(name, guardOf(providers, 'no matching prefix found'));
  return { guards, plugins };
}

interface Making {
  readonly deps: EncryptionDeps;
  readonly metrics: Metrics;
  readonly plugins: KmsProvider[];
}

async function providerOf({ aesgcm, aescbc, secretbox, kms }: ProviderConfig, making: Making): Promise<ValueProvider> {
  if (kms) return kmsProviderOf(kms, making);
  const ciphers = await import('#pkg/storage/encryption/ciphers.ts');
  const noAesMatch = 'no matching key was found for the provided AES transformer';
  if (aesgcm)
    return keyedProvider('k8s:enc:aesgcm:v1:', keysOf(aesgcm.keys), { cipher: ciphers.aesGcm, noMatch: noAesMatch });
  if (aescbc)
    return keyedProvider('k8s:enc:aescbc:v1:', keysOf(aescbc.keys), { cipher: ciphers.aesCbc, noMatch: noAesMatch });
  if (secretbox) {
    const noMatch = 'no matching key was found for the provided Secretbox transformer';
    return keyedProvider('k8s:enc:secretbox:v1:', keysOf(secretbox.keys), { cipher: ciphers.secretbox, noMatch });
  }
  return { prefix: '', guard: identityGuard };
}

function keysOf(given: readonly KeyConfig[] = []): readonly NamedKey[] {
  return given.map(({ name = '', secret = '' }) => ({ name, secret: secretOf(secret) ?? new Uint8Array() }));
}

async function kmsProviderOf(
  { name = '', endpoint = '', timeout }: KmsConfig,
  { deps, metrics, plugins }: Making,
): Promise<ValueProvider> {
  const [{ KmsProvider: Provider }, { kmsService }, { kmsMetrics }] = await Promise.all([
    import('#pkg/storage/encryption/kms/kms-provider.ts'),
    import('#pkg/storage/encryption/kms/kms-service.ts'),
    import('#pkg/storage/encryption/kms/kms-metrics.ts'),
  ]);
  const { clock } = deps;
  const timeoutMs = (timeout === undefined ? undefined : parseDurationMs(timeout)) ?? kmsTimeoutMsDefault;
  const service = kmsService({ name, socketPath: socketOf(endpoint), timeoutMs, clock, metrics });
  const plugin = new Provider({ name, service, metrics: kmsMetrics(metrics, { name, server: '', clock }), ...deps });
  plugins.push(plugin);
  return { prefix: `k8s:enc:kms:v2:${name}:`, guard: plugin };
}
