/**
 * Encryption at rest as the configuration says: puts `encryptedStore` over a store, asks KMS plugins how they are, and follows the file where it is to. A store that
 * was once encrypted is noted to be (`encryptionKey`), so that without a configuration sealed values are told for what they are, and never served.
 * Upstream counterpart: apiserver `server/options/etcd.go`, `server/options/encryptionconfig`.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { childSignal, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { encryptedStore } from '#pkg/storage/encryption/encrypted-store.ts';
import { GuardedKeys, type GuardTable } from '#pkg/storage/encryption/guarded-keys.ts';
import type { KmsProvider } from '#pkg/storage/encryption/kms/kms-provider.ts';
import type { Store } from '#pkg/storage/store.ts';
import { encryptionKey } from '../store-keys.ts';
import { readEncryptionConfiguration } from './encryption-config.ts';
import { type EncryptionDeps, guardsOf } from './guards.ts';
import { storedResources } from './stored-resource.ts';

/** How values are stored. */
export interface EncryptionSettings {
  /** Path of the configuration; `''` where there is none. */
  readonly file: string;
  /** Whether changes of it are followed. */
  readonly reloads: boolean;
}

/** How often the file is looked at. Source: `EncryptionConfigFileChangePollDuration`. */
const reloadPollMs = 60_000;

/** How long the plugins of a new configuration have to become well before it is put off. Source: `minKMSPluginCloseGracePeriod`. */
const reloadHealthMs = 10_000;
const reloadHealthPollMs = 1_000;

/** How long plugins that are no longer used are kept, for what is under way. */
const closeGraceMs = 10_000;

/** A configuration in force. */
interface Loaded {
  readonly guards: GuardTable;
  readonly plugins: readonly KmsProvider[];
  readonly hash: string;
  /** Ends what asks the plugins. */
  end(): Promise<void>;
}

/** `store` as the settings say; without a file sealed values are refused. Throws `UserError` for a file that cannot be used, and what the store does. */
export async function withEncryption(
  store: Store,
  { file, reloads }: EncryptionSettings,
  deps: EncryptionDeps,
): Promise<Store> {
  const metrics = new Metrics();
  const first = file === '' ? nothingLoaded : await firstLoaded(file, deps, metrics);
  if (file !== '') await noteEncryption(store);
  const keys = new GuardedKeys(first.guards, { resourceOf: storedResources(), metrics, clock: deps.clock });
  const stopping = new AbortController();
  const running = new Reloading({ file, first, keys, deps, metrics });
  const polling = reloads && file !== '' ? running.run(stopping.signal) : Promise.resolve();
  const hasCheck = reloads || first.plugins.length > 0;
  return encryptedStore(store, {
    keys,
    guard: {
      metrics,
      checks: hasCheck ? [{ name: 'kms-providers', check: async () => (await running.problem()) === undefined }] : [],
    },
    end: async () => {
      stopping.abort();
      await polling;
      await running.end();
    },
  });
}

const nothingLoaded: Loaded = { guards: new Map(), plugins: [], hash: '', end: async () => {} };

async function firstLoaded(file: string, deps: EncryptionDeps, metrics: Metrics): Promise<Loaded> {
  try {
    return await load(file, deps, metrics);
  } catch (error) {
    throw new UserError(`Cannot use the file of --encryption-provider-config: ${file}: ${errorText(error)}`, error);
  }
}

/** Throws an `Error` that says what is wrong with the file. Plugins that are not well are none of that. */
async function load(file: string, deps: EncryptionDeps, metrics: Metrics): Promise<Loaded> {
  const text = await readFile(file, 'utf8');
  if (text === '') throw new Error('it is empty');
  const { guards, plugins } = await guardsOf(readEncryptionConfiguration(text), deps, metrics);
  await Promise.all(plugins.map((plugin) => plugin.check()));
  const ending = new AbortController();
  const runs = plugins.map((plugin) => plugin.run(ending.signal));
  return {
    guards,
    plugins,
    hash: hashOf(text),
    end: async () => {
      ending.abort();
      for (const plugin of plugins) plugin.close();
      await Promise.all(runs);
    },
  };
}

function hashOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

async function noteEncryption(store: Store): Promise<void> {
  await store.write({ type: 'put', key: encryptionKey, value: Buffer.from('1'), ifModRevision: 0 });
}

interface ReloadingParts {
  readonly file: string;
  readonly first: Loaded;
  readonly keys: GuardedKeys;
  readonly deps: EncryptionDeps;
  readonly metrics: Metrics;
}

/** Keeps the configuration that is in force to what the file says. */
class Reloading {
  readonly #parts: ReloadingParts;
  #loaded: Loaded;
  readonly #closing = new Set<Promise<void>>();
  readonly #ending = new AbortController();

  constructor(parts: ReloadingParts) {
    this.#parts = parts;
    this.#loaded = parts.first;
    this.#tellConfig();
  }

  /** Looks at the file each minute, until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (await sleep(this.#parts.deps.clock, reloadPollMs, signal)) {
      const { log, clock } = this.#parts.deps;
      try {
        if (!(await this.#follow(signal))) continue;
        this.#count('success');
        log.info('Encryption follows its configuration anew', { file: this.#parts.file });
      } catch (error) {
        if (signal.aborted) return;
        this.#count('failure');
        log.error('Cannot follow the configuration of encryption', {
          file: this.#parts.file,
          error,
          now: clock.nowMs(),
        });
      }
    }
  }

  /** Why a plugin is not well; undefined where all are. */
  async problem(): Promise<Error | undefined> {
    return problemOf(this.#loaded);
  }

  async end(): Promise<void> {
    this.#ending.abort();
    await Promise.all([...this.#closing, this.#loaded.end()]);
  }

  /** Takes over what the file says. False where it says what is in force. Throws where it cannot be used, or its plugins are not well in time. */
  async #follow(signal: AbortSignal): Promise<boolean> {
    const { file, deps, metrics, keys } = this.#parts;
    if (hashOf(await readFile(file, 'utf8')) === this.#loaded.hash) return false;
    const next = await load(file, deps, metrics);
    try {
      await untilWell(next, deps.clock, signal);
    } catch (error) {
      await next.end();
      throw error;
    }
    const before = this.#loaded;
    this.#loaded = next;
    keys.guards = next.guards;
    this.#tellConfig();
    this.#closeLater(before);
    return true;
  }

  /** What is under way may still ask the plugins of the configuration before. */
  #closeLater(before: Loaded): void {
    const closing = sleep(this.#parts.deps.clock, closeGraceMs, this.#ending.signal)
      .then(() => before.end())
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #count(status: 'failure' | 'success'): void {
    const { metrics, deps } = this.#parts;
    const labels = ['status', 'apiserver_id_hash'];
    const family = 'apiserver_encryption_config_controller_automatic_reload';
    metrics.counter({ name: `${family}s_total`, help: 'Changes of the file, by how it went.', labels }).of(status, '')
      .value++;
    metrics
      .gauge({
        name: `${family}_last_timestamp_seconds`,
        help: 'When the file was last followed, or could not be.',
        labels,
      })
      .of(status, '').value = deps.clock.nowMs() / 1000;
  }

  #tellConfig(): void {
    const { metrics } = this.#parts;
    metrics.collect('encryption-config', () => [
      {
        name: 'apiserver_encryption_config_controller_last_config_info',
        help: 'The configuration in force, by the hash of its file.',
        type: 'gauge',
        samples: [{ labels: { apiserver_id_hash: '', hash: this.#loaded.hash }, value: 1 }],
      },
    ]);
  }
}

async function problemOf({ plugins }: Loaded): Promise<Error | undefined> {
  for (const plugin of plugins) {
    const error = await plugin.check();
    if (error !== undefined) return error;
  }
  return undefined;
}

/** Throws why the plugins are not well after `reloadHealthMs`. */
async function untilWell(next: Loaded, clock: Clock, signal: AbortSignal): Promise<void> {
  const { controller, dispose } = childSignal(signal);
  try {
    const endMs = clock.monotonicMs() + reloadHealthMs;
    for (;;) {
      const error = await problemOf(next);
      if (error === undefined) return;
      if (clock.monotonicMs() >= endMs || !(await sleep(clock, reloadHealthPollMs, controller.signal)))
        throw new Error(`health check for new transformers failed: ${error.message}`, { cause: error });
    }
  } finally {
    dispose();
  }
}
