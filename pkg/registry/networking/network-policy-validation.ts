/** Rules for network policies. Source: upstream `ValidateNetworkPolicySpec`. */

import type { IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '#pkg/api/types/networking-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { blockContains, parseCidr } from '#pkg/apimachinery/ip.ts';
import { cidrProblems, portNameProblems, portNumberProblems } from '#pkg/apimachinery/names.ts';
import { Collector } from '../validation/collector.ts';
import { labelSelectorErrors } from '../validation/selector.ts';

const field = pathsOf<NetworkPolicy>();

const policyTypes = ['Ingress', 'Egress'];

/** What is wrong with a `NetworkPolicy`. Source: upstream `ValidateNetworkPolicy`. */
export function validateNetworkPolicy(draft: Given<NetworkPolicy>): readonly FieldError[] {
  const into = new Collector();
  const spec = draft.spec;
  into.add(...labelSelectorErrors(spec?.podSelector, field('spec.podSelector')));
  for (const [index, rule] of (spec?.ingress ?? []).entries()) {
    const path = at(field('spec.ingress'), index);
    checkPorts(into, rule.ports, child(path, 'ports'));
    checkPeers(into, rule.from, child(path, 'from'));
  }
  for (const [index, rule] of (spec?.egress ?? []).entries()) {
    const path = at(field('spec.egress'), index);
    checkPorts(into, rule.ports, child(path, 'ports'));
    checkPeers(into, rule.to, child(path, 'to'));
  }
  const types = spec?.policyTypes ?? [];
  if (types.length > policyTypes.length) {
    into.add(invalid(field('spec.policyTypes'), types, 'may not specify more than two policyTypes'));
    return into.errors;
  }
  for (const [index, type] of types.entries()) into.oneOf(at(field('spec.policyTypes'), index), type, policyTypes);
  return into.errors;
}

function checkPorts(
  into: Collector,
  ports: readonly Given<NetworkPolicyPort>[] = [],
  path: FieldPath<readonly NetworkPolicyPort[]>,
): void {
  for (const [index, port] of ports.entries()) checkPort(into, port, at(path, index));
}

function checkPeers(
  into: Collector,
  peers: readonly Given<NetworkPolicyPeer>[] = [],
  path: FieldPath<readonly NetworkPolicyPeer[]>,
): void {
  for (const [index, peer] of peers.entries()) checkPeer(into, peer, at(path, index));
}

function checkPort(into: Collector, entry: Given<NetworkPolicyPort>, path: FieldPath<NetworkPolicyPort>): void {
  into.oneOf(child(path, 'protocol'), entry.protocol, ['TCP', 'UDP', 'SCTP']);
  const { port } = entry;
  const last = entry.endPort;
  const own = child(path, 'endPort');
  if (typeof port === 'number') {
    into.problems(child(path, 'port'), port, portNumberProblems(port));
    if (last === undefined) return;
    if (last < port) into.add(invalid(own, last, 'must be greater than or equal to `port`'));
    into.problems(own, last, portNumberProblems(last));
    return;
  }
  if (last !== undefined) {
    const what = typeof port === 'string' ? 'non-numeric' : 'not specified';
    into.add(invalid(own, last, `may not be specified when \`port\` is ${what}`));
  }
  if (typeof port === 'string') into.problems(child(path, 'port'), port, portNameProblems(port));
}

function checkPeer(into: Collector, peer: Given<NetworkPolicyPeer>, path: FieldPath<NetworkPolicyPeer>): void {
  into.add(...labelSelectorErrors(peer.podSelector, child(path, 'podSelector')));
  into.add(...labelSelectorErrors(peer.namespaceSelector, child(path, 'namespaceSelector')));
  const block = peer.ipBlock;
  if (block !== undefined) checkBlock(into, block, child(path, 'ipBlock'));
  const count = [peer.podSelector, peer.namespaceSelector, block].filter((part) => part !== undefined).length;
  if (count === 0) into.add(required(path, 'must specify a peer'));
  if (count > 1 && block !== undefined) {
    into.add(forbiddenField(path, 'may not specify both ipBlock and another peer'));
  }
}

function checkBlock(into: Collector, block: Given<IPBlock>, path: FieldPath<IPBlock>): void {
  const own = child(path, 'cidr');
  const { cidr } = block;
  if (!into.needsText(own, cidr)) return;
  into.problems(own, cidr, cidrProblems(cidr));
  const whole = parseCidr(cidr);
  if (whole === undefined) return;
  for (const [index, entry] of (block.except ?? []).entries()) {
    const text = String(entry);
    const place = at(child(path, 'except'), index);
    into.problems(place, text, cidrProblems(text));
    const part = parseCidr(text);
    if (part === undefined) continue;
    if (blockContains(whole, part.address) && part.prefixBits > whole.prefixBits) continue;
    into.add(invalid(place, text, 'must be a strict subset of `cidr`'));
  }
}
