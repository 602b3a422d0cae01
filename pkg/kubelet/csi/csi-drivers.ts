/** The CSI drivers of a node by name. One that comes takes the place of the one before it; the API knows which there are. Upstream counterpart: kubelet `volume/csi` `RegistrationHandler`. */
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { Turns } from '#pkg/base/turns.ts';
import type { PluginHandler, PluginInfo } from '../plugins/plugin-handler.ts';
import { CsiDriver } from './csi-driver.ts';
import type { CsiCapability } from './csi-messages.ts';
import { addDriver, type CsiNodeObjectsDeps, ensureCsiNode, removeDriver } from './csi-node-objects.ts';

/** What they work with. */
export interface CsiDriversDeps extends CsiNodeObjectsDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborted when the kubelet stops. */
  readonly stopping: AbortSignal;
  background(work: () => Promise<void>): void;
  /** A driver is there that was not. */
  onDriver(name: string): void;
}

/** A driver, and what it can do. */
export interface KnownDriver {
  readonly driver: CsiDriver;
  readonly capabilities: ReadonlySet<CsiCapability>;
  readonly registeredAt: string;
}

/** Between tries to write the CSINode. */
const retryMsMin = 1_000;
const retryMsMax = 60_000;
/** Of the form `1.x.y`: the one major version that is spoken. Source: `highestSupportedVersion`. */
const spokenVersion = /^v?1\.\d+\.\d+/;

/** The drivers of one kubelet's node. */
export class CsiDrivers implements PluginHandler {
  readonly #deps: CsiDriversDeps;
  readonly #drivers = new Map<string, KnownDriver>();
  /** One word about them at a time, so that one that is gone does not take the next of its name along. */
  readonly #words = new Turns();

  constructor(deps: CsiDriversDeps) {
    this.#deps = deps;
  }

  /** Has the API know that there are such drivers, or none yet. Tries until it is done or `signal` is aborted. */
  async announce(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps;
    for (let retryMs = retryMsMin; !signal.aborted; retryMs = Math.min(retryMs * 2, retryMsMax)) {
      try {
        return await this.#words.take(() => ensureCsiNode(this.#deps));
      } catch (error) {
        if (!signal.aborted) log.warn('CSINode not made, will try again', { error });
        await sleep(clock, retryMs, signal);
      }
    }
  }

  /** The driver of a name; undefined where none is there. */
  get(name: string): KnownDriver | undefined {
    return this.#drivers.get(name);
  }

  async register(
    { name, endpoint, socketPath, versions, registeredAt }: PluginInfo,
    signal: AbortSignal,
  ): Promise<void> {
    if (!versions.some((version) => spokenVersion.test(version)))
      throw new Error(
        `CSI driver "${name}": none of the versions specified ${JSON.stringify(versions)} are supported: use 1.x.y`,
      );
    const { clock, onDriver } = this.#deps;
    const driver = await CsiDriver.at({ socketPath, endpoint, clock });
    try {
      const capabilities = await driver.capabilities(signal);
      const info = await driver.info(signal);
      await this.#words.take(async () => {
        await addDriver(this.#deps, name, info);
        const before = this.#drivers.get(name);
        this.#drivers.set(name, { driver, capabilities, registeredAt });
        await before?.driver.close();
      });
    } catch (error) {
      await driver.close();
      throw error;
    }
    onDriver(name);
  }

  deregister({ name, registeredAt }: PluginInfo): void {
    const known = this.#drivers.get(name);
    if (known?.registeredAt !== registeredAt) return;
    this.#drivers.delete(name);
    const { background, log, stopping } = this.#deps;
    // A kubelet that stops leaves things as they are for the next one.
    if (stopping.aborted) return void known.driver.close();
    background(async () => {
      await known.driver.close();
      try {
        await this.#words.take(async () => {
          if (!this.#drivers.has(name)) await removeDriver(this.#deps, name);
        });
      } catch (error) {
        log.warn('CSI driver not taken out of the CSINode', { driver: name, error });
      }
    });
  }

  /** Asks none any more. */
  async close(): Promise<void> {
    const all = [...this.#drivers.values()];
    this.#drivers.clear();
    await Promise.all(all.map(({ driver }) => driver.close()));
  }
}
