/** From the rule of one Service's port to the elements that nftables has of it. Pure. Source: kube-proxy `proxy/nftables/proxier.go`, for what is led where. */
import { blockContains, type IpBlock, parseCidr } from '#pkg/apimachinery/ip.ts';
import type { NftElement } from '#pkg/network/nft/element-table.ts';
import type { Rule, RuleEndpoint } from '../../model/rule.ts';
import {
  endpointMark,
  endpointsMax,
  type Family,
  families,
  familyOf,
  type Pick,
  pickChain,
  rememberChain,
  type Scope,
} from './service-table.ts';
import { assignSlots } from './slots.ts';
import type { FlowTarget } from './stale-flows.ts';

/** What is remembered of a rule from one time to the next. */
export interface RuleMemory {
  /** Order of endpoints by scope and family, so that few change their number. */
  readonly slots: Map<string, readonly string[]>;
  /** A number for each group of endpoints that a client stays with. */
  readonly ids: Map<string, number>;
}

/** What else decides. */
export interface ElementOptions {
  /** Endpoints elsewhere never come back to themselves. Absent: all may be here. */
  readonly nodeName?: string | undefined;
  readonly memory: RuleMemory;
  /** A number that no group had yet. */
  nextId(): number;
}

/** One group of keys that lead to the same endpoints. */
interface Target {
  readonly scope: Scope;
  readonly endpoints: readonly RuleEndpoint[];
  /** Clients stay with an endpoint among all targets of one group, which have the same endpoints. */
  readonly group: string;
  readonly masquerades: boolean;
}

/** All elements of a rule. */
export function serviceElements(rule: Rule, options: ElementOptions): readonly NftElement[] {
  return families.flatMap((family) => [
    ...clusterElements(rule, family, options),
    ...externalElements(rule, family, options),
    ...nodePortElements(rule, family, options),
    ...hairpins(rule, family, options),
  ]);
}

function clusterElements(rule: Rule, family: Family, options: ElementOptions): readonly NftElement[] {
  const addresses = ofFamily(rule.clusterIPs, family);
  const target: Target = {
    scope: 'services',
    endpoints: rule.internalEndpoints,
    group: 'internal',
    masquerades: false,
  };
  return addresses.flatMap((address) => [
    { set: `cluster-ips${family}`, key: address },
    ...leadElements(rule, `${address} . ${portKey(rule, rule.port)}`, { target, family, options, refusal: 'refused' }),
  ]);
}

function externalElements(rule: Rule, family: Family, options: ElementOptions): readonly NftElement[] {
  const balanced = new Set(ofFamily(rule.loadBalancerIPs, family));
  const addresses = new Set([...balanced, ...ofFamily(rule.externalIPs, family)]);
  return [...addresses].flatMap((address) => {
    const key = `${address} . ${portKey(rule, rule.port)}`;
    return [
      ...outerElements(rule, key, { scopes: ['inside', 'services'], suffix: '', family, options }),
      ...(balanced.has(address) ? guardElements(rule, key, family) : []),
    ];
  });
}

function nodePortElements(rule: Rule, family: Family, options: ElementOptions): readonly NftElement[] {
  // A Service of one family has node ports of that family alone.
  if (rule.nodePort === undefined || ofFamily(rule.clusterIPs, family).length === 0) return [];
  const key = portKey(rule, rule.nodePort);
  return outerElements(rule, key, {
    scopes: ['inside-node-ports', 'node-ports'],
    suffix: '-node-ports',
    family,
    options,
  });
}

/** Elements of a key that is reached from outside the cluster too. */
function outerElements(
  rule: Rule,
  key: string,
  at: {
    readonly scopes: readonly [inside: Scope, outside: Scope];
    readonly suffix: string;
    readonly family: Family;
    readonly options: ElementOptions;
  },
): readonly NftElement[] {
  const { scopes, suffix, family, options } = at;
  const isLocal = rule.externalTrafficPolicy === 'Local';
  const outside: Target = {
    scope: scopes[1],
    endpoints: rule.externalEndpoints,
    group: rule.externalTrafficPolicy === rule.internalTrafficPolicy ? 'internal' : 'external',
    masquerades: !isLocal,
  };
  const near = isLocal ? ofEndpoints(rule.clusterEndpoints ?? [], family) : [];
  const inside: Target = { scope: scopes[0], endpoints: near, group: 'inside', masquerades: false };
  // Endpoints elsewhere: who comes to the wrong node waits for a better one, as upstream has it.
  const refusal = near.length > 0 ? `dropped${suffix}` : `refused${suffix}`;
  return [
    ...leadElements(rule, key, { target: outside, family, options, refusal }),
    ...(near.length === 0 ? [] : leadElements(rule, key, { target: inside, family, options, refusal })),
  ];
}

/** Elements that lead a key to endpoints, or that refuse it. */
function leadElements(
  rule: Rule,
  key: string,
  to: {
    readonly target: Target;
    readonly family: Family;
    readonly options: ElementOptions;
    readonly refusal: string;
  },
): readonly NftElement[] {
  const { target, family, options } = to;
  const { scope, group, masquerades } = target;
  const { memory } = options;
  const here = ofEndpoints(target.endpoints, family).map((endpoint) => `${endpoint.ip} . ${endpoint.port}`);
  if (here.length === 0) return [{ set: `${to.refusal}${family}`, key }];
  const slotsKey = `${group} ${family}`;
  const slots = assignSlots(memory.slots.get(slotsKey) ?? [], here.slice(0, endpointsMax));
  memory.slots.set(slotsKey, slots);
  const stays = rule.sessionAffinity;
  const pick: Pick = { scope, family, endpoints: slots.length, stays: stays !== undefined, masquerades };
  const elements: NftElement[] = [
    { set: `${scope}${family}`, key, value: `goto ${pickChain(pick)}` },
    ...slots.map((value, slot) => ({
      set: `${scope}-endpoints${family}`,
      key: `${key} . ${endpointMark(slot, pick)}`,
      value,
    })),
  ];
  if (stays === undefined || family === '6') return elements;
  const id = String(idOf(group, options));
  return [
    ...elements,
    { set: `${scope}-ids4`, key, value: id },
    { set: 'remembered', key: id, value: `goto ${rememberChain(stays.timeoutSeconds)}` },
  ];
}

function idOf(group: string, { memory, nextId }: ElementOptions): number {
  const known = memory.ids.get(group);
  if (known !== undefined) return known;
  const id = nextId();
  memory.ids.set(group, id);
  return id;
}

/** Who may use a load balancer's address, where not everyone may. */
function guardElements(rule: Rule, key: string, family: Family): readonly NftElement[] {
  const ranges = rule.loadBalancerSourceRanges;
  if (ranges.length === 0) return [];
  const blocks = ofFamily(ranges, family).flatMap((text) => {
    const block = parseCidr(text);
    return block === undefined ? [] : [{ text, block }];
  });
  if (blocks.some(({ block }) => block.prefixBits === 0)) return [];
  return [
    { set: `guarded${family}`, key },
    ...outermost(blocks).map((text) => ({ set: `allowed${family}`, key: `${key} . ${text}` })),
  ];
}

/** Those that no other contains: an interval set takes no ranges that overlap. */
function outermost(blocks: readonly { readonly text: string; readonly block: IpBlock }[]): readonly string[] {
  const sorted = blocks.toSorted((a, b) => a.block.prefixBits - b.block.prefixBits);
  const kept: (typeof blocks)[number][] = [];
  for (const one of sorted) if (!kept.some(({ block }) => blockContains(block, one.block.address))) kept.push(one);
  return kept.map(({ text }) => text);
}

/** Endpoints that reach themselves through the Service: they would answer themselves past the translation. */
function hairpins(rule: Rule, family: Family, { nodeName }: ElementOptions): readonly NftElement[] {
  const all = [...rule.internalEndpoints, ...rule.externalEndpoints, ...(rule.clusterEndpoints ?? [])];
  const near = all.filter((one) => nodeName === undefined || one.nodeName === undefined || one.nodeName === nodeName);
  const addresses = new Set(ofEndpoints(near, family).map(({ ip }) => ip));
  return [...addresses].map((ip) => ({ set: `hairpins${family}`, key: `${ip} . ${ip}` }));
}

function portKey(rule: Rule, port: number): string {
  return `${rule.protocol.toLowerCase()} . ${port}`;
}

function ofFamily(addresses: readonly string[], family: Family): readonly string[] {
  return addresses.filter((address) => address !== '' && address !== 'None' && familyOf(address) === family);
}

function ofEndpoints(endpoints: readonly RuleEndpoint[], family: Family): readonly RuleEndpoint[] {
  return endpoints.filter(({ ip }) => familyOf(ip) === family);
}

/** Where flows for the addresses of a rule may go now; nowhere where the rule is gone. `previous` says which addresses it had. */
export function flowTargets(previous: Rule, rule: Rule | undefined): readonly FlowTarget[] {
  const internal = endpointKeys(rule?.internalEndpoints ?? []);
  const external = endpointKeys([...(rule?.externalEndpoints ?? []), ...(rule?.clusterEndpoints ?? [])]);
  const { port, nodePort } = previous;
  return [
    ...previous.clusterIPs.map((address) => ({ address, port, endpoints: internal })),
    ...[...previous.externalIPs, ...previous.loadBalancerIPs].map((address) => ({
      address,
      port,
      endpoints: external,
    })),
    ...(nodePort === undefined ? [] : [{ port: nodePort, endpoints: external }]),
  ];
}

function endpointKeys(endpoints: readonly RuleEndpoint[]): ReadonlySet<string> {
  return new Set(endpoints.map(({ ip, port }) => `${ip} ${port}`));
}
