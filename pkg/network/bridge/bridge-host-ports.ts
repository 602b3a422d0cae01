/**
 * Host ports on the bridge network: the node's kernel leads them to pods. One table of maps, so that a port costs an element. Ports answer at all of the
 * node's addresses, or at the one that they name; a program of the node that has the same port is not asked any more, as with upstream's.
 * Upstream counterpart: CNI plugin `portmap`.
 */
import { errorText } from '#pkg/base/error-text.ts';
import { tryHostCommand } from '../host/host-command.ts';
import type { HostPort, HostPortFailure, HostPorts, PublishedPod } from '../host-ports.ts';
import { ElementTable, type NftElement } from '../nft/element-table.ts';
import { NftSession } from '../nft/nft-session.ts';

/** Where the node is. */
export interface BridgeHostPortsOptions {
  /** Path of the node's network namespace; absent for that of this process. */
  readonly namespace?: string | undefined;
}

/** Host ports by rules of the kernel. */
export function createBridgeHostPorts(options: BridgeHostPortsOptions): HostPorts {
  return new BridgeHostPorts(options);
}

/** Addresses that mean all of the node's. */
const anyAddress: ReadonlySet<string> = new Set(['', '0.0.0.0', '::']);

const table = 'inet coxswain-host-ports';
const protocolAndPort = 'meta l4proto . th dport';

class BridgeHostPorts implements HostPorts {
  readonly #namespace: string | undefined;
  readonly #session: NftSession;
  readonly #elements = new ElementTable({ table });
  #hasTable = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor({ namespace }: BridgeHostPortsOptions) {
    this.#namespace = namespace;
    this.#session = new NftSession({ namespace });
  }

  async publish(owner: string, { addresses, ports }: PublishedPod): Promise<readonly HostPortFailure[]> {
    const byPort = new Map(ports.map((port) => [port, elementsOf(port, addresses)]));
    return this.#inTurn(async () => {
      const { commands, conflicts } = this.#elements.change([{ owner, elements: [...byPort.values()].flat() }]);
      const failed = new Map(conflicts.map(({ element }) => [element, 'another pod has it']));
      try {
        await this.#commit(commands);
      } catch (error) {
        this.#elements.change([{ owner, elements: [] }]);
        this.#hasTable = false;
        for (const element of [...byPort.values()].flat()) failed.set(element, errorText(error));
      }
      for (const port of ports) if (commands.length > 0 && port.protocol === 'UDP') await this.#endFlows(port);
      return [...byPort].flatMap(([port, elements]) => {
        const reason = elements.map((element) => failed.get(element)).find((one) => one !== undefined);
        const { protocol, hostIp, hostPort } = port;
        return reason === undefined
          ? []
          : [{ port, message: `Cannot publish host port ${hostIp}:${hostPort}/${protocol} as ${reason}` }];
      });
    });
  }

  withdraw(owner: string): Promise<void> {
    return this.#inTurn(async () => {
      const { commands } = this.#elements.change([{ owner, elements: [] }]);
      if (commands.length > 0) await this.#commit(commands);
    });
  }

  async close(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#hasTable) await this.#session.commit([`delete table ${table}`]).catch(() => {});
      this.#hasTable = false;
      await this.#session.close();
    });
  }

  /** One after another: the kernel's rules and what is known of them change together. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  async #commit(commands: readonly string[]): Promise<void> {
    if (!this.#hasTable) await this.#session.commit([emptyTable]);
    this.#hasTable = true;
    await this.#session.commit(commands);
  }

  /** Flows that were not led to a pod would go on without. None there is an error to conntrack, and so is its want. */
  async #endFlows({ hostPort }: HostPort): Promise<void> {
    await tryHostCommand(['conntrack', '-D', '-p', 'udp', '--dport', String(hostPort)], { namespace: this.#namespace });
  }
}

function elementsOf(
  { protocol, hostIp, hostPort, containerPort }: HostPort,
  addresses: readonly string[],
): readonly NftElement[] {
  const port = `${protocol.toLowerCase()} . ${hostPort}`;
  return addresses.flatMap((address) => {
    const family = address.includes(':') ? '6' : '4';
    const isAny = anyAddress.has(hostIp);
    if (!isAny && hostIp.includes(':') !== (family === '6')) return [];
    return [
      {
        set: `${isAny ? 'any' : 'named'}${family}`,
        key: isAny ? port : `${hostIp} . ${port}`,
        value: `${address} . ${containerPort}`,
      },
      { set: `hairpins${family}`, key: `${address} . ${address}` },
    ];
  });
}

const leadRules = ['4', '6'].flatMap((family) => {
  const ip = family === '4' ? 'ip' : 'ip6';
  const lead = `meta l4proto { tcp, udp, sctp } dnat ${ip} to`;
  return [
    `${lead} ${ip} daddr . ${protocolAndPort} map @named${family}`,
    `meta nfproto ipv${family} fib daddr type local ${lead} ${protocolAndPort} map @any${family}`,
  ];
});

/** One transaction that makes the table without ports, in place of one from before. Ports come before those of Services, as with upstream's. */
const emptyTable = `table ${table}
delete table ${table}
table ${table} {
${['4', '6']
  .map(
    (
      family,
    ) => `map named${family} { type ipv${family}_addr . inet_proto . inet_service : ipv${family}_addr . inet_service; }
map any${family} { type inet_proto . inet_service : ipv${family}_addr . inet_service; }
set hairpins${family} { type ipv${family}_addr . ipv${family}_addr; }`,
  )
  .join('\n')}
chain lead {
${leadRules.join('\n')}
}
chain prerouting {
type nat hook prerouting priority -101; policy accept;
jump lead
}
chain output {
type nat hook output priority -101; policy accept;
jump lead
}
chain postrouting {
type nat hook postrouting priority 99; policy accept;
ct status dnat ip saddr 127.0.0.0/8 masquerade
ct status dnat ip saddr . ip daddr @hairpins4 masquerade
ct status dnat ip6 saddr . ip6 daddr @hairpins6 masquerade
}
}
`;
