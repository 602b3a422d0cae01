/**
 * From one network policy, the pods and the namespaces' labels to sets of addresses and ports, and the rules that look at them. Pure.
 * Source: API reference, `NetworkPolicy`; https://kubernetes.io/docs/concepts/services-networking/network-policies/
 */
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '#pkg/api/types/networking-v1.ts';
import {
  compiledLabelSelector,
  everything,
  type LabelSelector,
  type Selector,
} from '#pkg/apimachinery/label-selector.ts';
import type { NftElement } from '#pkg/network/nft/element-table.ts';
import { addressRanges, type ExceptedBlock } from './address-ranges.ts';
import type { PolicyPod } from './policy-pod.ts';

/** Which way. */
export type Direction = 'egress' | 'ingress';

/** A set of one policy. */
export interface PolicySet {
  readonly name: string;
  /** As nftables declares it. */
  readonly declaration: string;
}

/** What a policy says of one direction. */
export interface CompiledDirection {
  readonly sets: readonly PolicySet[];
  readonly elements: readonly NftElement[];
  /** Rules whose end is `return` for what is let through. */
  readonly rules: readonly string[];
}

/** What a policy comes to. */
export interface CompiledPolicy {
  /** Keys of the pods that it is about. */
  readonly pods: ReadonlySet<string>;
  /** Absent where it says nothing of that direction. */
  readonly ingress?: CompiledDirection;
  readonly egress?: CompiledDirection;
}

/** What is around a policy. */
export interface PolicyWorld {
  readonly pods: Iterable<PolicyPod>;
  /** Labels by namespace. */
  readonly namespaces: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** Prefix of the policy's sets; nobody else's. */
  readonly name: string;
}

/** One rule of either direction. */
interface PolicyRule {
  readonly peers: readonly NetworkPolicyPeer[];
  readonly ports: readonly NetworkPolicyPort[];
}

/** Compiles a policy. */
export function compilePolicy(policy: NetworkPolicy, world: PolicyWorld): CompiledPolicy {
  const { spec, metadata } = policy;
  const namespace = metadata?.namespace ?? '';
  const pods = [...world.pods];
  const selector = selectorOf(spec?.podSelector);
  const selected = pods.filter((pod) => pod.namespace === namespace && selector.matches(pod.labels));
  const types = spec?.policyTypes ?? ['Ingress', ...(spec?.egress === undefined ? [] : ['Egress'])];
  const compile = (direction: Direction, rules: readonly PolicyRule[]): CompiledDirection =>
    joinDirections(
      rules.map((rule, index) =>
        compileRule(rule, {
          direction,
          name: `${world.name}-${direction === 'ingress' ? 'i' : 'e'}${index}`,
          selected,
          peers: podPeers(rule.peers, { namespace, pods, namespaces: world.namespaces }),
          pods,
        }),
      ),
    );
  const ingress = (spec?.ingress ?? []).map(({ from = [], ports = [] }) => ({ peers: from, ports }));
  const egress = (spec?.egress ?? []).map(({ to = [], ports = [] }) => ({ peers: to, ports }));
  return {
    pods: new Set(selected.map(({ key }) => key)),
    ...(types.includes('Ingress') ? { ingress: compile('ingress', ingress) } : {}),
    ...(types.includes('Egress') ? { egress: compile('egress', egress) } : {}),
  };
}

/** Pods that any of the peers names. */
function podPeers(
  peers: readonly NetworkPolicyPeer[],
  world: {
    readonly namespace: string;
    readonly pods: readonly PolicyPod[];
    readonly namespaces: PolicyWorld['namespaces'];
  },
): readonly PolicyPod[] {
  const tests = peers.flatMap(({ podSelector, namespaceSelector, ipBlock }) => {
    if (ipBlock !== undefined) return [];
    const ofPod = podSelector === undefined ? everything : selectorOf(podSelector);
    const ofNamespace = namespaceSelector === undefined ? undefined : selectorOf(namespaceSelector);
    return [
      (pod: PolicyPod): boolean =>
        ofPod.matches(pod.labels) &&
        (ofNamespace === undefined
          ? pod.namespace === world.namespace
          : ofNamespace.matches(world.namespaces.get(pod.namespace) ?? {})),
    ];
  });
  return tests.length === 0 ? [] : world.pods.filter((pod) => tests.some((isPeer) => isPeer(pod)));
}

function selectorOf(selector: LabelSelector | undefined): Selector {
  return compiledLabelSelector(selector ?? {});
}

interface RulePlace {
  readonly direction: Direction;
  readonly name: string;
  readonly selected: readonly PolicyPod[];
  /** Pods among the peers. */
  readonly peers: readonly PolicyPod[];
  readonly pods: readonly PolicyPod[];
}

/** A condition with the set that it looks into; none for what is always true. */
interface Condition {
  readonly set?: PolicySet;
  readonly elements: readonly NftElement[];
  /** `''` for one that is always true. */
  readonly text: string;
}

const always: Condition = { elements: [], text: '' };

function compileRule(rule: PolicyRule, place: RulePlace): CompiledDirection {
  const ports = portConditions(rule, place);
  const peers = peerConditions(rule, place);
  const all = [...peers, ...ports];
  return {
    sets: all.flatMap(({ set }) => set ?? []),
    elements: all.flatMap(({ elements }) => elements),
    rules: peers.flatMap((peer) =>
      ports
        .filter(
          ({ text }) =>
            peer.text === '' ||
            text === '' ||
            familyIn(peer.text) === undefined ||
            familyIn(text) === undefined ||
            familyIn(peer.text) === familyIn(text),
        )
        .map((port) => [peer.text, port.text, 'return'].filter((part) => part !== '').join(' ')),
    ),
  };
}

function familyIn(text: string): string | undefined {
  return /^ip6? /.exec(text)?.[0];
}

const families = [
  ['4', 'ip'],
  ['6', 'ip6'],
] as const;

/** No peers are all of them. */
function peerConditions(
  { peers }: PolicyRule,
  { direction, name, peers: podsOfPeers }: RulePlace,
): readonly Condition[] {
  if (peers.length === 0) return [always];
  const side = direction === 'ingress' ? 'saddr' : 'daddr';
  const blocks: readonly ExceptedBlock[] = peers.flatMap(({ ipBlock }) =>
    ipBlock === undefined ? [] : [{ cidr: ipBlock.cidr, except: ipBlock.except ?? [] }],
  );
  const addresses = podsOfPeers.flatMap(({ ips }) => ips);
  return families.flatMap(([family, ip]) => {
    const podSet = `${name}-pods${family}`;
    const blockSet = `${name}-blocks${family}`;
    const own = new Set(addresses.filter((address) => address.includes(':') === (family === '6')));
    return [
      ...(peers.some(({ ipBlock }) => ipBlock === undefined)
        ? [condition(`${ip} ${side} @${podSet}`, podSet, `type ipv${family}_addr;`, [...own])]
        : []),
      ...(blocks.length > 0
        ? [
            condition(
              `${ip} ${side} @${blockSet}`,
              blockSet,
              `type ipv${family}_addr; flags interval;`,
              addressRanges(blocks, family),
            ),
          ]
        : []),
    ];
  });
}

/** No ports are all of them. */
function portConditions({ ports, peers }: PolicyRule, place: RulePlace): readonly Condition[] {
  if (ports.length === 0) return [always];
  const { name, direction } = place;
  const numbers = ports.filter(({ port }) => typeof port !== 'string');
  const named = ports.filter(({ port }) => typeof port === 'string');
  const conditions: Condition[] = [];
  if (numbers.length > 0)
    conditions.push(
      condition(
        `meta l4proto . th dport @${name}-ports`,
        `${name}-ports`,
        'type inet_proto . inet_service; flags interval;',
        portRanges(numbers),
      ),
    );
  if (named.length === 0) return conditions;
  // Whose ports they are: those of the pods that are asked.
  const asked = direction === 'ingress' ? place.selected : peers.length === 0 ? place.pods : place.peers;
  const keys = asked.flatMap((pod) =>
    pod.ports
      .filter((one) => named.some(({ port, protocol = 'TCP' }) => port === one.name && protocol === one.protocol))
      .flatMap(({ protocol, port }) =>
        pod.ips.map((address) => ({ address, key: `${address} . ${protocol.toLowerCase()} . ${port}` })),
      ),
  );
  for (const [family, ip] of families) {
    const own = new Set(keys.filter(({ address }) => address.includes(':') === (family === '6')).map(({ key }) => key));
    const set = `${name}-named${family}`;
    conditions.push(
      condition(
        `${ip} daddr . meta l4proto . th dport @${set}`,
        set,
        `type ipv${family}_addr . inet_proto . inet_service;`,
        [...own],
      ),
    );
  }
  return conditions;
}

/** Ranges of which none touches another, by protocol. */
function portRanges(ports: readonly NetworkPolicyPort[]): readonly string[] {
  const byProtocol = Map.groupBy(ports, ({ protocol = 'TCP' }) => protocol.toLowerCase());
  return [...byProtocol].flatMap(([protocol, list]) => {
    const ranges = list
      .map(({ port, endPort }) =>
        typeof port === 'number' ? { first: port, last: endPort ?? port } : { first: 0, last: 65_535 },
      )
      .toSorted((a, b) => a.first - b.first);
    const joined: { first: number; last: number }[] = [];
    for (const range of ranges) {
      const before = joined.at(-1);
      if (before === undefined || range.first > before.last + 1) joined.push({ ...range });
      else before.last = Math.max(before.last, range.last);
    }
    return joined.map(({ first, last }) => `${protocol} . ${first === last ? first : `${first}-${last}`}`);
  });
}

function condition(text: string, name: string, declaration: string, keys: readonly string[]): Condition {
  return { set: { name, declaration }, elements: keys.map((key) => ({ set: name, key })), text };
}

function joinDirections(parts: readonly CompiledDirection[]): CompiledDirection {
  return {
    sets: parts.flatMap(({ sets }) => sets),
    elements: parts.flatMap(({ elements }) => elements),
    rules: parts.flatMap(({ rules }) => rules),
  };
}

/** Whether what a policy comes to may depend on a pod. */
export function looksAt(policy: NetworkPolicy, pod: PolicyPod, namespaces: PolicyWorld['namespaces']): boolean {
  const { spec, metadata } = policy;
  const namespace = metadata?.namespace ?? '';
  if (pod.namespace === namespace && selectorOf(spec?.podSelector).matches(pod.labels)) return true;
  const egress = spec?.egress ?? [];
  // Names of ports, to whatever pod.
  if (egress.some(({ to = [], ports = [] }) => to.length === 0 && ports.some(({ port }) => typeof port === 'string')))
    return true;
  const peers = [...(spec?.ingress ?? []).flatMap(({ from = [] }) => from), ...egress.flatMap(({ to = [] }) => to)];
  return podPeers(peers, { namespace, pods: [pod], namespaces }).length > 0;
}
