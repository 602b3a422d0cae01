/**
 * The plugins of drivers for dynamic resources. Several of one driver may be there while one takes the place of another: the last that came is asked. Where none has been there
 * for half a minute, what the driver has said of the node's devices is taken away, so that no pod is put here for them; so is all of it when the kubelet starts, as nobody
 * knows whether a driver comes back. Upstream counterpart: kubelet `cm/dra/plugin/dra_plugin_manager.go`.
 */
import { resourceSlices } from '#pkg/api/types/refs.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Client } from '#pkg/client/client.ts';
import { PluginClient } from '../plugins/plugin-client.ts';
import type { PluginHandler, PluginInfo } from '../plugins/plugin-handler.ts';
import {
  type ClaimName,
  claimServices,
  claimsRequest,
  type PreparedClaim,
  preparedOf,
  unpreparedOf,
} from './claim-messages.ts';

/** Source: `defaultClientCallTimeout`. */
const callTimeoutMs = 45_000;
/** Source: `defaultWipingDelay`. */
const absenceMsMax = 30_000;
/** Between tries to take away what a driver has said. */
const retryMsMin = 1_000;
const retryMsMax = 300_000;

/** What they work with. */
export interface ClaimPluginsDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly client: Client;
  readonly nodeName: string;
  /** Aborted when the kubelet stops. */
  readonly stopping: AbortSignal;
  background(work: () => Promise<void>): void;
}

/** One plugin. */
interface Plugin {
  readonly registeredAt: string;
  readonly client: PluginClient;
  /** Path of its calls. */
  readonly service: string;
}

/** The plugins by driver. */
export class ClaimPlugins implements PluginHandler {
  readonly #deps: ClaimPluginsDeps;
  /** In the order in which they came. */
  readonly #plugins = new Map<string, Plugin[]>();
  readonly #absences = new Map<string, AbortController>();

  constructor(deps: ClaimPluginsDeps) {
    this.#deps = deps;
  }

  async register({ name, versions, socketPath, registeredAt }: PluginInfo): Promise<void> {
    const spoken = claimServices.find(({ version }) => versions.includes(version));
    if (spoken === undefined)
      throw new Error(
        `invalid supported gRPC versions of DRA driver plugin ${name}: none of ${JSON.stringify(versions)} is supported: use ${claimServices.map(({ version }) => version).join(' or ')}`,
      );
    const client = await PluginClient.at(socketPath, this.#deps.clock);
    this.#absences.get(name)?.abort();
    this.#absences.delete(name);
    this.#plugins.set(name, [...(this.#plugins.get(name) ?? []), { registeredAt, client, service: spoken.path }]);
  }

  deregister({ name, registeredAt }: PluginInfo): void {
    const all = this.#plugins.get(name) ?? [];
    const left = all.filter((plugin) => plugin.registeredAt !== registeredAt);
    for (const plugin of all) if (!left.includes(plugin)) void plugin.client.close();
    if (left.length > 0) {
      this.#plugins.set(name, left);
      return;
    }
    this.#plugins.delete(name);
    if (!this.#deps.stopping.aborted) this.#wipeLater(name);
  }

  /** Why a driver cannot be asked; undefined where it can. */
  problem(driver: string): string | undefined {
    return this.#plugins.has(driver) ? undefined : `DRA driver ${driver} is not registered`;
  }

  /** Has claims made ready; resolves with what came of each. Rejects with what the driver says against all. */
  async prepare(
    driver: string,
    claims: readonly ClaimName[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, PreparedClaim>> {
    const { client, service } = this.#of(driver);
    return client.call(`${service}/NodePrepareResources`, {
      message: claimsRequest(claims),
      read: preparedOf,
      timeoutMs: callTimeoutMs,
      signal,
    });
  }

  /** Gives claims back; resolves with what went wrong with each. Rejects with what the driver says against all. */
  async unprepare(
    driver: string,
    claims: readonly ClaimName[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, string>> {
    const { client, service } = this.#of(driver);
    return client.call(`${service}/NodeUnprepareResources`, {
      message: claimsRequest(claims),
      read: unpreparedOf,
      timeoutMs: callTimeoutMs,
      signal,
    });
  }

  /** Takes away what drivers have said of the node's devices: one, or all. Tries until it is done or the kubelet stops. */
  async wipe(driver: string | undefined, signal: AbortSignal): Promise<void> {
    const { client, clock, log, nodeName } = this.#deps;
    const fields = [`spec.nodeName=${nodeName}`, ...(driver === undefined ? [] : [`spec.driver=${driver}`])];
    for (let retryMs = retryMsMin; !signal.aborted; retryMs = Math.min(retryMs * 2, retryMsMax)) {
      try {
        await client.resource(resourceSlices).deleteCollection({ fieldSelector: fields.join(',') });
        return;
      } catch (error) {
        if (!signal.aborted) log.warn('ResourceSlices not taken away, will try again', { driver, error });
        await sleep(clock, retryMs, signal);
      }
    }
  }

  /** Asks none any more. */
  async close(): Promise<void> {
    for (const absence of this.#absences.values()) absence.abort();
    const all = [...this.#plugins.values()].flat();
    this.#plugins.clear();
    await Promise.all(all.map(({ client }) => client.close()));
  }

  /** Throws where it is not there. */
  #of(driver: string): Plugin {
    const plugin = this.#plugins.get(driver)?.at(-1);
    if (plugin === undefined) throw new Error(this.problem(driver));
    return plugin;
  }

  #wipeLater(driver: string): void {
    const { clock, background, log } = this.#deps;
    const absence = new AbortController();
    this.#absences.set(driver, absence);
    background(async () => {
      if (!(await sleep(clock, absenceMsMax, absence.signal))) return;
      log.info('Driver of dynamic resources is gone', { driver });
      await this.wipe(driver, absence.signal);
    });
  }
}
