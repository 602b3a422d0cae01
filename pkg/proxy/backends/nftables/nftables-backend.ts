/**
 * The nftables backend: the kernel of one network namespace leads connections of Services to endpoints; this process only tells it what changed.
 * Invariant: after a `sync` that gave no failures, the kernel's table is what the rules compile to (`service-elements.ts`); a transaction that the
 * kernel refuses is done again rule by rule, so that one rule cannot keep the others from being done.
 *
 * The rules stay in the kernel after `close` where `keepsRules` says so, so that nobody feels a restart of the proxy; the first `sync` replaces
 * them in one transaction. Clients' endpoints are then chosen anew. Upstream counterpart: kube-proxy `proxy/nftables`.
 */
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { hostCommand, tryHostCommand } from '#pkg/network/host/host-command.ts';
import { ElementTable, type NftElement } from '#pkg/network/nft/element-table.ts';
import { NftSession } from '#pkg/network/nft/nft-session.ts';
import type { Backend, RuleFailure } from '../../backend.ts';
import { diffRules, type Rule, type RuleSet } from '../../model/rule.ts';
import { staleAffinities } from './affinity.ts';
import { flowTargets, type RuleMemory, serviceElements } from './service-elements.ts';
import { chainCommands, emptyTable, type ServiceTableOptions } from './service-table.ts';
import { staleFlowCommands } from './stale-flows.ts';

/** Where the rules are and for whom. */
export interface NftablesBackendOptions extends Omit<ServiceTableOptions, 'table'> {
  readonly log: Logger;
  /** Path of the node's network namespace; absent for that of this process. */
  readonly namespace?: string | undefined;
  /** Name of the table; each proxy of a namespace has its own. */
  readonly tableName: string;
  /** Whose node it is; absent where one proxy stands for all. */
  readonly nodeName?: string | undefined;
  /** Whether the rules outlive the proxy. */
  readonly keepsRules: boolean;
}

/** A backend in the kernel. Needs root, `nft`, and `conntrack` for the flows of UDP. */
export function createNftablesBackend(options: NftablesBackendOptions): Backend {
  return new NftablesBackend(options);
}

/** Below the numbers by which this table tells its clients' groups, in the marks of connections: such as nobody else uses. */
const firstId = 0x4358_0000;

const noRules: RuleSet = new Map();

class NftablesBackend implements Backend {
  readonly #options: NftablesBackendOptions;
  readonly #table: string;
  readonly #session: NftSession;
  #elements: ElementTable;
  readonly #chains = new Set<string>();
  readonly #memories = new Map<string, RuleMemory>();
  /** What the table has; undefined while it is not known. */
  #rules: RuleSet | undefined;
  /** By key of the rule. */
  #failures = new Map<string, RuleFailure>();
  #lastId = firstId;
  /** What is to come before the next change. */
  #start: readonly string[] = [];
  #saidNoConntrack = false;

  constructor(options: NftablesBackendOptions) {
    this.#options = options;
    this.#table = `inet ${options.tableName}`;
    this.#session = new NftSession({ namespace: options.namespace });
    this.#elements = new ElementTable({ table: this.#table });
  }

  async sync(rules: RuleSet): Promise<readonly RuleFailure[]> {
    const before = this.#rules;
    if (before === rules && this.#failures.size === 0) return [];
    if (before === undefined) this.#startAnew();
    const { added, changed, removed } = diffRules(before ?? noRules, rules);
    const again = [...this.#failures.keys()].flatMap((key) => rules.get(key) ?? []);
    const news = new Set([...added, ...changed.map(({ rule }) => rule), ...again]);
    for (const { key } of [...removed, ...news]) this.#failures.delete(key);
    this.#rules = rules;
    await this.#apply([
      ...removed.map((rule) => ({ rule, isThere: false })),
      ...[...news].map((rule) => ({ rule, isThere: true })),
    ]);
    if (before !== undefined && this.#failures.size > 0 && !(await this.#isTableThere())) {
      // Someone has emptied the kernel's rules.
      this.#rules = undefined;
      return this.sync(rules);
    }
    const touched = [...removed, ...changed.map(({ previous }) => previous), ...news];
    await this.#dropFlows(touched, rules);
    await this.#forgetClients([...changed.map(({ rule }) => rule)]);
    for (const { key } of removed) this.#memories.delete(key);
    return [...this.#failures.values()];
  }

  async close(): Promise<void> {
    if (!this.#options.keepsRules && this.#rules !== undefined)
      await this.#session.commit([`delete table ${this.#table}`]).catch(() => {});
    await this.#session.close();
  }

  /** The first transaction makes the table, in place of one from before. */
  #startAnew(): void {
    this.#elements = new ElementTable({ table: this.#table });
    this.#chains.clear();
    this.#start = [emptyTable({ ...this.#options, table: this.#table })];
  }

  async #isTableThere(): Promise<boolean> {
    const [family = '', name = ''] = this.#table.split(' ');
    const command = ['nft', 'list', 'chain', family, name, 'services'];
    return (await tryHostCommand(command, { namespace: this.#options.namespace })).code === 0;
  }

  async #apply(wanted: readonly Wanted[]): Promise<void> {
    if (wanted.length === 0 && this.#start.length === 0) return;
    const owned = wanted.map((one) => ({ owner: one.rule.key, elements: this.#elementsOf(one) }));
    const before = wanted.map(({ rule }) => ({ owner: rule.key, elements: this.#elements.elementsOf(rule.key) }));
    const { commands, conflicts } = this.#elements.change(owned);
    const chains = this.#missingChains(owned.flatMap(({ elements }) => elements));
    try {
      const added = chains.flatMap((name) => chainCommands(this.#table, name));
      await this.#session.commit([...this.#start, ...added, ...commands]);
      this.#start = [];
    } catch (error) {
      this.#elements.change(before);
      if (wanted.length > 1 && (await this.#canStart())) {
        const middle = wanted.length >> 1;
        await this.#apply(wanted.slice(0, middle));
        await this.#apply(wanted.slice(middle));
        return;
      }
      for (const { rule } of wanted) this.#failures.set(rule.key, { rule, message: errorText(error) });
      return;
    }
    for (const name of chains) this.#chains.add(name);
    const byKey = new Map(wanted.map(({ rule }) => [rule.key, rule]));
    for (const { owner, element } of conflicts) {
      const rule = byKey.get(owner);
      if (rule !== undefined) this.#failures.set(owner, conflictFailure(rule, element));
    }
  }

  /** Whether it is for a rule that the kernel refuses: not where it does not even take the empty table. */
  async #canStart(): Promise<boolean> {
    if (this.#start.length === 0) return true;
    try {
      await this.#session.commit(this.#start);
    } catch {
      return false;
    }
    this.#start = [];
    return true;
  }

  #elementsOf({ rule, isThere }: Wanted): readonly NftElement[] {
    if (!isThere) return [];
    let memory = this.#memories.get(rule.key);
    if (memory === undefined) {
      memory = { slots: new Map(), ids: new Map() };
      this.#memories.set(rule.key, memory);
    }
    return serviceElements(rule, { nodeName: this.#options.nodeName, memory, nextId: () => ++this.#lastId });
  }

  #missingChains(elements: readonly NftElement[]): readonly string[] {
    const names = elements.flatMap(({ value }) => (value?.startsWith('goto ') ? [value.slice('goto '.length)] : []));
    return [...new Set(names)].filter((name) => !this.#chains.has(name));
  }

  /** Ends the flows of UDP to endpoints that are gone. */
  async #dropFlows(touched: readonly Rule[], rules: RuleSet): Promise<void> {
    const targets = touched
      .filter(({ protocol }) => protocol === 'UDP')
      .flatMap((rule) => flowTargets(rule, rules.get(rule.key)));
    if (targets.length === 0) return;
    const { namespace, log } = this.#options;
    const listings = await Promise.all(
      ['ipv4', 'ipv6'].map((family) => tryHostCommand(['conntrack', '-L', '-p', 'udp', '-f', family], { namespace })),
    );
    if (listings.some(({ code }) => code === 127)) {
      if (!this.#saidNoConntrack)
        log.warn('Cannot end UDP flows to endpoints that are gone', { reason: 'conntrack is not installed' });
      this.#saidNoConntrack = true;
      return;
    }
    const commands = listings.flatMap(({ stdout }) => staleFlowCommands(stdout, targets));
    if (commands.length === 0) return;
    // It opens a file by name, which what this process gives its children cannot be. A flow that has ended meanwhile is an error to it.
    const command = ['sh', '-c', 'cat | conntrack --load-file /dev/stdin'];
    await tryHostCommand(command, { namespace, input: `${commands.join('\n')}\n` });
  }

  /** Lets clients go that stay with an endpoint that is gone. */
  async #forgetClients(changed: readonly Rule[]): Promise<void> {
    const kept = changed.filter(({ sessionAffinity }) => sessionAffinity !== undefined);
    if (kept.length === 0) return;
    const targets = new Map(
      kept.flatMap((rule) => [...(this.#memories.get(rule.key)?.ids.values() ?? [])].map((id) => [id, rule] as const)),
    );
    const { namespace } = this.#options;
    const map = `${this.#table} affinity4`;
    const listing = await hostCommand(['nft', '-j', '-n', 'list', 'map', ...map.split(' ')], { namespace });
    const stale = staleAffinities(listing, targets);
    if (stale.length > 0) await this.#session.commit([`delete element ${map} { ${stale.join(', ')} }`]).catch(() => {});
  }
}

/** A rule as it is to be, or is not to be. */
interface Wanted {
  readonly rule: Rule;
  readonly isThere: boolean;
}

function conflictFailure(rule: Rule, { key }: NftElement): RuleFailure {
  const address = key.split(' . ').slice(0, 3).join(' ');
  return { rule, address, message: `Cannot serve ${address} as another Service does` };
}
