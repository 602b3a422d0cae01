/**
 * The links of a node's machines where pods have networks of their own: each sandbox is a network namespace with a tap device, which the pod network connects as it connects that of containers, and the
 * machine is what is at the pod's address. Invariant: a namespace is there from before its sandbox is told of until that is removed.
 */
import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import type { MessagePort } from 'node:worker_threads';
import { errorText } from '#pkg/base/error-text.ts';
import type { TapPlace, TapRoute } from '#pkg/network/tap/tap-orders.ts';
import { Taps } from '#pkg/network/tap/taps.ts';
import { RuntimeError, type Sandbox } from '../runtime.ts';
import type { GuestTap } from './guest/protocol.ts';

/** Who a machine is on its network. */
export interface MachineLink extends TapRoute {
  readonly mac: Uint8Array;
  readonly address: string;
  /** Its tap, for the thread that the machine runs in from now on. */
  listen(): Promise<{ readonly tap: GuestTap; readonly transfer: readonly MessagePort[] }>;
}

interface Entry {
  readonly place: TapPlace;
  readonly mac: Uint8Array;
  link?: Promise<MachineLink>;
}

/** All of one node, by sandbox. */
export class MachineLinks {
  readonly #taps = new Taps();
  readonly #entries = new Map<string, Entry>();

  /** Gives a sandbox its namespace. Rejects with `failed` where there can be none. */
  async make(sandbox: Sandbox): Promise<Sandbox> {
    const place = await ofKernel(this.#taps.make());
    this.#entries.set(sandbox.id, { place, mac: macOf(sandbox.config.podUid) });
    return this.shown(sandbox);
  }

  /** The sandbox with its namespace, if it has one. */
  shown(sandbox: Sandbox): Sandbox {
    const entry = this.#entries.get(sandbox.id);
    return entry === undefined ? sandbox : { ...sandbox, networkNamespace: entry.place.namespacePath };
  }

  /** The link of a sandbox that the network has connected. Rejects with `failed` where that is not so, or has no address of IPv4. */
  link(sandboxId: string, addresses: readonly string[]): Promise<MachineLink> {
    const entry = this.#entries.get(sandboxId);
    if (entry === undefined) throw new RuntimeError('notFound', `sandbox "${sandboxId}" not found`);
    entry.link ??= this.#join(entry, addresses);
    // The next one tries again.
    entry.link.catch(() => delete entry.link);
    return entry.link;
  }

  /** Takes the namespace of a sandbox away, and all that is in it. */
  async remove(sandboxId: string): Promise<void> {
    const entry = this.#entries.get(sandboxId);
    if (entry === undefined) return;
    this.#entries.delete(sandboxId);
    await ofKernel(this.#taps.close(entry.place));
  }

  /** Takes all of them away. */
  async close(): Promise<void> {
    this.#entries.clear();
    await this.#taps.end();
  }

  async #join({ place, mac }: Entry, addresses: readonly string[]): Promise<MachineLink> {
    const address = addresses.find(isIPv4);
    if (address === undefined)
      throw new RuntimeError('failed', `a machine has an address of IPv4, and its pod has ${addresses.join()}`);
    const route = await ofKernel(this.#taps.join(place, address));
    return {
      ...route,
      mac,
      address,
      listen: async () => {
        const { handle, transfer } = await ofKernel(this.#taps.listen(place));
        const { gateway } = route;
        return { tap: { handle, mac, address, ...(gateway === undefined ? {} : { gateway }) }, transfer };
      },
    };
  }
}

async function ofKernel<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new RuntimeError('failed', `the machine's link could not be made: ${errorText(error)}`, error);
  }
}

/** A hardware address of its own (locally administered). */
function macOf(podUid: string): Uint8Array {
  return Uint8Array.of(0x52, 0x54, ...createHash('sha256').update(podUid).digest().subarray(0, 4));
}
