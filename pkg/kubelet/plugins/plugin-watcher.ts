/**
 * Finds plugins by their sockets in `plugins_registry`, asks each what it is, hands it to the handler of its type and tells it what came of that.
 *
 * Invariant: each socket that is there has been registered, or is tried again after a time that doubles; of one that is gone, or is another by now, its plugin has been
 * deregistered. Names that begin with a dot are passed over. A folder is looked through when something in it has changed, and every ten seconds, as a folder may be changed
 * without a word. Upstream counterpart: kubelet `pluginmanager`.
 */
import { type FSWatcher, watch } from 'node:fs';
import { lstat, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { WakeUp } from '#pkg/base/wake-up.ts';
import { framed } from '#pkg/grpc/message.ts';
import { pathOnMachine } from './kubelet-folder.ts';
import { PluginClient } from './plugin-client.ts';
import type { PluginHandler, PluginInfo } from './plugin-handler.ts';

const lookMs = 10_000;
/** Between tries of a plugin that could not be registered. Source: `goroutinemap/exponentialbackoff`. */
const retryMsMin = 500;
const retryMsMax = 122_000;
/** How long a plugin may take to say what it is, and to hear what came of it. Source: `GenerateRegisterPluginFunc`, `notifyTimeoutDuration`. */
const infoTimeoutMs = 1_000;
const notifyTimeoutMs = 5_000;

/** What it works with. */
export interface PluginWatcherDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** The kubelet's folder. */
  readonly folder: string;
  /** Below it, where sockets are looked for. */
  readonly registry: string;
  /** By the type that plugins say. */
  readonly handlers: Readonly<Record<string, PluginHandler>>;
}

/** A socket that was seen. */
interface Known {
  /** Of the file: another one is another socket. */
  readonly identity: string;
  registered: { readonly handler: PluginHandler; readonly plugin: PluginInfo } | undefined;
  /** It is being registered. */
  isBusy: boolean;
  /** Failed tries in a row. */
  failures: number;
  /** Not before this is it tried again. */
  retryAtMs: number;
}

/** The plugins of a node. */
export class PluginWatcher {
  readonly #deps: PluginWatcherDeps;
  readonly #folder: string;
  readonly #known = new Map<string, Known>();
  readonly #watches = new Map<string, FSWatcher>();
  readonly #wake = new WakeUp();
  readonly #running = new Set<Promise<void>>();

  constructor(deps: PluginWatcherDeps) {
    this.#deps = deps;
    this.#folder = join(deps.folder, deps.registry);
  }

  /** Looks until `signal` is aborted; then all plugins have been deregistered. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps;
    await mkdir(this.#folder, { recursive: true, mode: 0o755 });
    while (!signal.aborted) {
      try {
        await this.#look(signal);
      } catch (error) {
        log.warn('Plugins not looked for, will try again', { folder: this.#folder, error });
      }
      await this.#wake.wait(clock, this.#waitMs(), signal);
    }
    for (const watcher of this.#watches.values()) watcher.close();
    while (this.#running.size > 0) await Promise.all(this.#running);
    for (const path of [...this.#known.keys()]) this.#forget(path);
  }

  /** Until the next socket that could not be registered is due. */
  #waitMs(): number {
    const nowMs = this.#deps.clock.nowMs();
    const due = [...this.#known.values()].filter(({ isBusy, registered }) => !isBusy && registered === undefined);
    return Math.max(0, Math.min(lookMs, ...due.map(({ retryAtMs }) => retryAtMs - nowMs)));
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const found = await this.#socketsIn(this.#folder);
    for (const [path, { identity }] of [...this.#known]) if (found.get(path) !== identity) this.#forget(path);
    for (const [path, identity] of found) {
      const known = this.#known.get(path) ?? {
        identity,
        registered: undefined,
        isBusy: false,
        failures: 0,
        retryAtMs: 0,
      };
      this.#known.set(path, known);
      const isDue = !known.isBusy && known.registered === undefined && known.retryAtMs <= clock.nowMs();
      if (isDue && !signal.aborted) this.#begin(path, known, signal);
    }
  }

  /** Nobody waits for one that takes its time. */
  #begin(path: string, known: Known, signal: AbortSignal): void {
    known.isBusy = true;
    const running: Promise<void> = this.#register(path, known, signal).finally(() => {
      known.isBusy = false;
      this.#running.delete(running);
      // Its socket may have gone meanwhile.
      if (this.#known.get(path) !== known) known.registered?.handler.deregister(known.registered.plugin);
      this.#wake.wake();
    });
    this.#running.add(running);
  }

  #forget(path: string): void {
    const known = this.#known.get(path);
    this.#known.delete(path);
    if (known?.isBusy === false) known.registered?.handler.deregister(known.registered.plugin);
  }

  /** Sockets below a folder, each with what tells it from another one at its path. Each folder is watched from then on. */
  async #socketsIn(folder: string): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    this.#watch(folder);
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.name.startsWith('.')) continue;
      if (entry.isDirectory())
        for (const [deeper, identity] of await this.#socketsIn(path)) found.set(deeper, identity);
      if (!entry.isSocket()) continue;
      const file = await lstat(path).catch(() => undefined);
      if (file !== undefined) found.set(path, `${file.ino} ${file.birthtimeMs}`);
    }
    return found;
  }

  #watch(folder: string): void {
    if (this.#watches.has(folder)) return;
    const watcher = watch(folder, { persistent: false }, () => this.#wake.wake());
    const end = (): void => {
      watcher.close();
      this.#watches.delete(folder);
    };
    // A folder that has gone, or no more watches on this machine: what changes is then seen at the next look.
    watcher.on('error', end);
    watcher.on('close', () => this.#watches.delete(folder));
    this.#watches.set(folder, watcher);
  }

  async #register(path: string, known: Known, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps;
    try {
      const client = await PluginClient.at(path, clock);
      try {
        await this.#introduce(client, { path, known, signal });
      } finally {
        await client.close();
      }
    } catch (error) {
      if (signal.aborted) return;
      log.warn('Plugin not registered', { socket: path, error: errorText(error) });
      if (known.registered !== undefined) return;
      known.retryAtMs = clock.nowMs() + Math.min(retryMsMin * 2 ** known.failures++, retryMsMax);
    }
  }

  async #introduce(
    client: PluginClient,
    { path, known, signal }: { readonly path: string; readonly known: Known; readonly signal: AbortSignal },
  ): Promise<void> {
    const { folder, log, handlers } = this.#deps;
    const { type, name, endpoint, versions } = await client.call('/pluginregistration.Registration/GetInfo', {
      message: framed(() => {}),
      timeoutMs: infoTimeoutMs,
      signal,
      read: (answer) => ({
        type: answer.string(1),
        name: answer.string(2),
        endpoint: answer.string(3) || path,
        versions: answer.strings(4),
      }),
    });
    const handler = Object.hasOwn(handlers, type) ? handlers[type] : undefined;
    const socketPath = pathOnMachine(folder, endpoint);
    const plugin: PluginInfo = { name, endpoint, socketPath, versions, registeredAt: path };
    const problem = await problemOf(handler, { type, plugin, signal });
    if (problem === undefined && handler !== undefined) known.registered = { handler, plugin };
    await notify(client, problem);
    if (problem !== undefined) throw new Error(problem);
    log.info('Plugin registered', { type, name, endpoint });
  }
}

/** Registers it; resolves with why that cannot be. */
async function problemOf(
  handler: PluginHandler | undefined,
  asked: { readonly type: string; readonly plugin: PluginInfo; readonly signal: AbortSignal },
): Promise<string | undefined> {
  const { type, plugin, signal } = asked;
  if (handler === undefined)
    return `RegisterPlugin error -- no handler registered for plugin type: ${type} at socket ${plugin.registeredAt}`;
  try {
    await handler.register(plugin, signal);
    return undefined;
  } catch (error) {
    return `RegisterPlugin error -- plugin registration failed with err: ${errorText(error)}`;
  }
}

async function notify(client: PluginClient, problem: string | undefined): Promise<void> {
  await client.call('/pluginregistration.Registration/NotifyRegistrationStatus', {
    message: framed((message) => {
      message.flag(1, problem === undefined);
      message.string(2, problem);
    }),
    timeoutMs: notifyTimeoutMs,
    read: () => {},
  });
}
