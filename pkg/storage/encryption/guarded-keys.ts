/**
 * Which guard the values of a key have. Counts what is sealed and opened under upstream's names.
 *
 * Invariant: the guards in force are swapped as one, between two calls. Upstream counterpart: apiserver `server/options/encryptionconfig`
 * `transformerFromOverrides`, `storage/value/metrics.go`.
 */
import type { Clock } from '#pkg/base/clock.ts';
import { exponentialBuckets, type Metrics } from '#pkg/base/metrics.ts';
import { GrpcError, grpcCodeNames } from '#pkg/grpc/grpc-error.ts';
import { identityGuard, type OpenedValue, type SealedValue, type ValueGuard } from './value-guard.ts';

/** A resource as keys are guarded by. */
export interface GuardedResource {
  readonly group: string;
  readonly resource: string;
}

/** Guards by resource: `secrets`, `deployments.apps`, `*.apps`, `*.` for those of the core, `*.*`. */
export type GuardTable = ReadonlyMap<string, ValueGuard>;

/** What is in force; `guards` is replaced whole when the configuration changes. */
export class GuardedKeys {
  /** Without entry of its own: values as they are, which may not be sealed ones. */
  guards: GuardTable;
  readonly #resourceOf: (key: string) => GuardedResource | undefined;
  readonly #counts: Counts;
  /** By the part of a key that says the resource: few, as keys of one resource share it. */
  readonly #byPrefix = new Map<
    string,
    { readonly table: GuardTable; readonly name: string; readonly guard: ValueGuard }
  >();

  constructor(
    guards: GuardTable,
    {
      resourceOf,
      metrics,
      clock,
    }: { resourceOf: (key: string) => GuardedResource | undefined; metrics: Metrics; clock: Clock },
  ) {
    this.guards = guards;
    this.#resourceOf = resourceOf;
    this.#counts = new Counts(metrics, clock);
  }

  /** Throws an `Error` where it cannot be done now. */
  seal(plain: Uint8Array, key: string): SealedValue {
    const { guard, name } = this.#of(key);
    if (guard === identityGuard) return guard.seal(plain, key);
    return this.#counts.counted({ resource: name, type: 'to_storage', prefix: prefixOf(guard.mark) }, () =>
      guard.seal(plain, key),
    );
  }

  /** Throws, or rejects with, an `Error` for what cannot be read. */
  open(sealed: Uint8Array, key: string): OpenedValue | Promise<OpenedValue> {
    const { guard, name } = this.#of(key);
    if (guard === identityGuard) return guard.open(sealed, key);
    return this.#counts.counted(
      {
        resource: name,
        type: 'from_storage',
        prefix: prefixOf(Buffer.from(sealed.subarray(0, 64)).toString('latin1')),
      },
      () => guard.open(sealed, key),
    );
  }

  /** Whether a value of this mark would be written otherwise now. */
  isStale(key: string, mark: string): boolean {
    return this.#of(key).guard.mark !== mark;
  }

  #of(key: string): { readonly name: string; readonly guard: ValueGuard } {
    const prefix = resourcePart(key);
    const known = this.#byPrefix.get(prefix);
    if (known !== undefined && known.table === this.guards) return known;
    const found = this.#find(key);
    // Names of custom resources are the users' to choose.
    if (this.#byPrefix.size >= prefixesMax) this.#byPrefix.clear();
    this.#byPrefix.set(prefix, { table: this.guards, ...found });
    return found;
  }

  #find(key: string): { readonly name: string; readonly guard: ValueGuard } {
    const of = this.#resourceOf(key);
    if (of === undefined) return { name: '', guard: identityGuard };
    const { group, resource } = of;
    const name = group === '' ? resource : `${resource}.${group}`;
    const guard = this.guards.get(name) ?? this.guards.get(`*.${group}`) ?? this.guards.get('*.*') ?? identityGuard;
    return { name, guard };
  }
}

/** Resources remembered; when there are more all are looked up anew. */
const prefixesMax = 10_000;

/** The part of a key that names its resource: `/registry/secrets/`, and with a group `/registry/example.com/widgets/`. */
function resourcePart(key: string): string {
  const from = key.indexOf('/', 1) + 1;
  const end = key.indexOf('/', from);
  const first = key.slice(from, end);
  return key.slice(0, first === 'services' || first.includes('.') ? key.indexOf('/', end + 1) + 1 : end + 1);
}

/** `k8s:enc:aescbc:v1:`, and of a KMS its name too. */
function prefixOf(text: string | undefined): string {
  return /^k8s:enc:(?:kms:v\d+:[^:]*|\w+:v\d+):/.exec(text ?? '')?.[0] ?? '';
}

interface Counted {
  readonly resource: string;
  readonly type: 'from_storage' | 'to_storage';
  readonly prefix: string;
}

class Counts {
  readonly #operations;
  readonly #durations;
  readonly #clock: Clock;

  constructor(metrics: Metrics, clock: Clock) {
    this.#clock = clock;
    this.#operations = metrics.counter({
      name: 'apiserver_storage_transformation_operations_total',
      help: 'Values sealed or opened, by resource and by how it ended.',
      labels: ['resource', 'transformation_type', 'transformer_prefix', 'status'],
    });
    this.#durations = metrics.histogram({
      name: 'apiserver_storage_transformation_duration_seconds',
      help: 'Seconds that sealing or opening a value took.',
      labels: ['transformation_type', 'transformer_prefix'],
      buckets: exponentialBuckets(5e-6, 2, 25),
    });
  }

  /** Runs it, and counts it once it is over. */
  counted<T>(what: Counted, run: () => T): T {
    const startMs = this.#clock.monotonicMs();
    const done = (): void => this.#done(what, startMs);
    try {
      const result = run();
      if (result instanceof Promise) void result.then(done, (error: unknown) => this.#failed(what, error));
      else done();
      return result;
    } catch (error) {
      this.#failed(what, error);
      throw error;
    }
  }

  #done({ resource, type, prefix }: Counted, startMs: number): void {
    this.#operations.of(resource, type, labelOf(type, prefix), 'OK').value++;
    this.#durations.of(type, labelOf(type, prefix)).observe((this.#clock.monotonicMs() - startMs) / 1000);
  }

  #failed({ resource, type, prefix }: Counted, error: unknown): void {
    this.#operations.of(resource, type, labelOf(type, prefix), statusOf(error)).value++;
  }
}

/** Source: `getErrorCode`. */
function statusOf(error: unknown): string {
  if (error instanceof GrpcError) return grpcCodeNames[error.code] ?? 'Unknown';
  return error instanceof Error && error.cause !== undefined ? statusOf(error.cause) : 'unknown-non-grpc';
}

function labelOf(type: Counted['type'], prefix: string): string {
  return prefix === '' && type === 'from_storage' ? 'identity' : prefix;
}
