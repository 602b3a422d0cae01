/** What is counted of one KMS plugin, under upstream's names. Source: apiserver `storage/value/encrypt/envelope/metrics/metrics.go`. */
import type { Clock } from '#pkg/base/clock.ts';
import type { Metrics } from '#pkg/base/metrics.ts';

/** Counts of one plugin. Ids of keys are given as their hashes. */
export interface KmsMetrics {
  /** A value was sealed or opened with a seed of this key. */
  used(type: 'from_storage' | 'to_storage', keyIdHash: string): void;
  /** The plugin has said that this is its key. */
  told(keyIdHash: string): void;
  invalidKeyId(reason: 'empty' | 'too_long'): void;
  /** A seed was not known. */
  missed(): void;
  /** Seeds that are known. */
  kept(count: number): void;
}

/** The counts of the plugin `name`, as the server whose id has the hash `server` has them. */
export function kmsMetrics(
  metrics: Metrics,
  { name, server, clock }: { readonly name: string; readonly server: string; readonly clock: Clock },
): KmsMetrics {
  const family = 'apiserver_envelope_encryption';
  const labels = ['transformation_type', 'provider_name', 'key_id_hash', 'apiserver_id_hash'];
  const total = metrics.counter({ name: `${family}_key_id_hash_total`, help: 'How often a key was used.', labels });
  const last = metrics.gauge({
    name: `${family}_key_id_hash_last_timestamp_seconds`,
    help: 'When a key was last used.',
    labels,
  });
  const status = metrics.gauge({
    name: `${family}_key_id_hash_status_last_timestamp_seconds`,
    help: 'When a plugin last said that this is its key.',
    labels: labels.slice(1),
  });
  const invalid = metrics.counter({
    name: `${family}_invalid_key_id_from_status_total`,
    help: 'How often a plugin has said that its key is one that there cannot be.',
    labels: ['provider_name', 'error'],
  });
  const seeds = metrics.gauge({
    name: `${family}_dek_source_cache_size`,
    help: 'Seeds that were decrypted and are kept.',
    labels: ['provider_name'],
  });
  const misses = metrics.counter({
    name: 'apiserver_storage_envelope_transformation_cache_misses_total',
    help: 'How often a plugin had to be asked for a seed.',
  });
  const nowSeconds = (): number => clock.nowMs() / 1000;
  return {
    used(type, keyIdHash) {
      total.of(type, name, keyIdHash, server).value++;
      last.of(type, name, keyIdHash, server).value = nowSeconds();
    },
    told(keyIdHash) {
      status.of(name, keyIdHash, server).value = nowSeconds();
    },
    invalidKeyId(reason) {
      invalid.of(name, reason).value++;
    },
    missed() {
      misses.of().value++;
    },
    kept(count) {
      seeds.of(name).value = count;
    },
  };
}
