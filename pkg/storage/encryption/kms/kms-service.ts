/**
 * A KMS plugin, version 2, at its Unix socket. Each call ends within the time of the configuration, with an answer or an `Error`; nothing is repeated.
 * Upstream counterpart: apiserver `storage/value/encrypt/envelope/kmsv2/grpc_service.go`.
 */
import type { Clock } from '#pkg/base/clock.ts';
import { exponentialBuckets, type Histograms, type Metrics } from '#pkg/base/metrics.ts';
import { GrpcConnection } from '#pkg/grpc/grpc-connection.ts';
import { GrpcError, grpcCodeNames } from '#pkg/grpc/grpc-error.ts';
import {
  decryptRequest,
  encryptedOf,
  encryptRequest,
  type KmsEncrypted,
  type KmsStatus,
  kmsCalls,
  plaintextOf,
  statusOf,
  statusRequest,
} from './kms-messages.ts';

/** The plugin, and how long it may take. */
export interface KmsServiceOptions {
  readonly name: string;
  /** Path of the socket; one that begins with `@` is abstract. */
  readonly socketPath: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** What a plugin does; each rejects with an `Error`. */
export interface KmsService {
  status(): Promise<KmsStatus>;
  encrypt(plaintext: Uint8Array, uid: string): Promise<KmsEncrypted>;
  decrypt(encrypted: KmsEncrypted, uid: string): Promise<Uint8Array>;
  close(): void;
}

/** Connects with the first call, and again after the connection was lost. */
export function kmsService({ name, socketPath, timeoutMs, clock, metrics }: KmsServiceOptions): KmsService {
  const connection = new GrpcConnection({
    endpoint: 'http://localhost',
    socketPath: socketPath.startsWith('@') ? `\0${socketPath.slice(1)}` : socketPath,
    clock,
  });
  const latencies = latenciesOf(metrics);
  const call = async (path: string, message: Uint8Array): Promise<Buffer> => {
    const startMs = clock.monotonicMs();
    const observe = (code: number): void =>
      latencies.of(name, path, grpcCodeNames[code] ?? 'Unknown').observe((clock.monotonicMs() - startMs) / 1000);
    try {
      const answer = await connection.call({ path, token: undefined }, { message, timeoutMs });
      observe(0);
      return answer;
    } catch (error) {
      if (!(error instanceof GrpcError)) throw error;
      observe(error.code);
      const said = `rpc error: code = ${grpcCodeNames[error.code] ?? 'Unknown'} desc = ${error.message}`;
      throw new GrpcError(said, { code: error.code, wasSent: error.wasSent, isLost: error.isLost });
    }
  };
  return {
    status: async () => statusOf(await call(kmsCalls.status, statusRequest)),
    encrypt: async (plaintext, uid) => encryptedOf(await call(kmsCalls.encrypt, encryptRequest(plaintext, uid))),
    decrypt: async (encrypted, uid) => plaintextOf(await call(kmsCalls.decrypt, decryptRequest(encrypted, uid))),
    close: () => connection.close(),
  };
}

function latenciesOf(metrics: Metrics): Histograms {
  return metrics.histogram({
    name: 'apiserver_envelope_encryption_kms_operations_latency_seconds',
    help: 'Seconds that a KMS plugin took to answer.',
    labels: ['provider_name', 'method_name', 'grpc_status_code'],
    buckets: exponentialBuckets(0.0001, 2, 20),
  });
}
