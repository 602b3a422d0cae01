/** What a proxy has to do for one port of one Service, with nothing left to decide but the choice among endpoints. */

/** The transport of a Service's port. */
export type RuleProtocol = 'SCTP' | 'TCP' | 'UDP';

/** One address that serves. */
export interface RuleEndpoint {
  readonly ip: string;
  readonly port: number;
  readonly nodeName?: string;
  /** Nodes from which it is best used, where its slice says so. */
  readonly forNodes?: readonly string[];
  /** Zones from which it is best used, where its slice says so. */
  readonly forZones?: readonly string[];
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
}

/** Where a proxy stands; without a node it stands for all nodes of a machine, and every endpoint is local to it. */
export interface ProxyPlace {
  readonly nodeName: string | undefined;
  /** Of the node, where it is known. */
  readonly zone?: string | undefined;
}

/** Rules are values: one that did not change is the same object from one state to the next. */
export interface Rule {
  /** `namespace/name:portName:port/protocol`; unique. */
  readonly key: string;
  readonly namespace: string;
  readonly serviceName: string;
  readonly serviceUid: string;
  /** `''` for the only port of a Service. */
  readonly portName: string;
  readonly protocol: RuleProtocol;
  readonly clusterIPs: readonly string[];
  readonly port: number;
  /** Absent when the Service is not reached through nodes. */
  readonly nodePort?: number;
  readonly externalIPs: readonly string[];
  readonly loadBalancerIPs: readonly string[];
  /** The only clients (CIDRs) that load balancer addresses let in; empty lets everyone in. */
  readonly loadBalancerSourceRanges: readonly string[];
  /** Sends a client to the same endpoint until it was silent for this time; absent: any endpoint each time. */
  readonly sessionAffinity?: { readonly timeoutSeconds: number };
  readonly internalTrafficPolicy: 'Cluster' | 'Local';
  readonly externalTrafficPolicy: 'Cluster' | 'Local';
  /** Endpoints for traffic to cluster IPs, chosen by the internal traffic policy. */
  readonly internalEndpoints: readonly RuleEndpoint[];
  /** Endpoints for traffic to node ports, external and load balancer addresses, chosen by the external traffic policy. */
  readonly externalEndpoints: readonly RuleEndpoint[];
  /**
   * Endpoints for traffic of pods and of the node itself to external addresses and node ports under the external policy Local, which are those of the
   * whole cluster. Absent where they are no others. A backend that cannot tell who asks leaves them alone.
   */
  readonly clusterEndpoints?: readonly RuleEndpoint[];
}

/** All rules by key. */
export type RuleSet = ReadonlyMap<string, Rule>;

/** The difference between two states of the rules. */
export interface RuleChanges {
  readonly added: readonly Rule[];
  readonly changed: readonly { readonly previous: Rule; readonly rule: Rule }[];
  readonly removed: readonly Rule[];
}

/** What became of rules by key; undefined: it is gone. */
export type ChangedKeys = ReadonlyMap<string, Rule | undefined>;

/** A set that knows of which it was made: with ten thousand Services the difference between two states is to cost what changed. */
class ChangedRules extends Map<string, Rule> {
  readonly #before: WeakRef<RuleSet>;
  readonly changes: ChangedKeys;

  constructor(before: RuleSet, changes: ChangedKeys) {
    super(before);
    this.#before = new WeakRef(before);
    this.changes = changes;
    for (const [key, rule] of changes) {
      if (rule === undefined) this.delete(key);
      else this.set(key, rule);
    }
  }

  isMadeOf(rules: RuleSet): boolean {
    return this.#before.deref() === rules;
  }
}

/** Another set, with these changes; what was there keeps its place in the order. */
export function changeRules(before: RuleSet, changes: ChangedKeys): RuleSet {
  return new ChangedRules(before, changes);
}

/** What leads from one set to the other; by identity, so it costs one look per rule, or per change where one was made of the other by `changeRules`. */
export function diffRules(before: RuleSet, after: RuleSet): RuleChanges {
  const isNext = after instanceof ChangedRules && after.isMadeOf(before);
  const keys = isNext ? after.changes.keys() : new Set([...before.keys(), ...after.keys()]);
  const added: Rule[] = [];
  const changed: { previous: Rule; rule: Rule }[] = [];
  const removed: Rule[] = [];
  for (const key of keys) {
    const [previous, rule] = [before.get(key), after.get(key)];
    if (previous === undefined) {
      if (rule !== undefined) added.push(rule);
    } else if (rule === undefined) removed.push(previous);
    else if (rule !== previous) changed.push({ previous, rule });
  }
  return { added, changed, removed };
}
