/** Rules for network policies. Source: upstream `ValidateNetworkPolicySpec`. */
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { blockContains, parseCidr } from '#pkg/apimachinery/ip.ts';
import { cidrProblems, portNameProblems, portNumberProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { listAt, numberAt, objectAt, objectsAt } from '../draft.ts';
import { Collector } from '../validation/collector.ts';
import { labelSelectorErrors } from '../validation/selector.ts';

const policyTypes = ['Ingress', 'Egress'];

/** `[rules, peers of a rule]` for each direction. */
const directions = [
  ['ingress', 'from'],
  ['egress', 'to'],
] as const;

/** What is wrong with a `NetworkPolicy`. Source: upstream `ValidateNetworkPolicy`. */
export function validateNetworkPolicy(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec');
  into.add(...labelSelectorErrors(spec?.podSelector, 'spec.podSelector'));
  for (const [rules, peers] of directions) {
    for (const [index, rule] of objectsAt(spec, rules).entries()) {
      const path = at(child('spec', rules), index);
      for (const [position, port] of objectsAt(rule, 'ports').entries()) {
        checkPort(into, port, at(child(path, 'ports'), position));
      }
      for (const [position, peer] of objectsAt(rule, peers).entries()) {
        checkPeer(into, peer, at(child(path, peers), position));
      }
    }
  }
  const types = listAt(spec, 'policyTypes');
  if (types.length > policyTypes.length) {
    into.add(invalid('spec.policyTypes', types, 'may not specify more than two policyTypes'));
    return into.errors;
  }
  for (const [index, type] of types.entries()) into.oneOf(at('spec.policyTypes', index), type, policyTypes);
  return into.errors;
}

function checkPort(into: Collector, entry: JsonObject, path: FieldPath): void {
  into.oneOf(child(path, 'protocol'), entry.protocol, ['TCP', 'UDP', 'SCTP']);
  const { port } = entry;
  const last = numberAt(entry, 'endPort');
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

function checkPeer(into: Collector, peer: JsonObject, path: FieldPath): void {
  into.add(...labelSelectorErrors(peer.podSelector, child(path, 'podSelector')));
  into.add(...labelSelectorErrors(peer.namespaceSelector, child(path, 'namespaceSelector')));
  const block = objectAt(peer, 'ipBlock');
  if (block !== undefined) checkBlock(into, block, child(path, 'ipBlock'));
  const count = ['podSelector', 'namespaceSelector', 'ipBlock'].filter((field) => peer[field] !== undefined).length;
  if (count === 0) into.add(required(path, 'must specify a peer'));
  if (count > 1 && block !== undefined) {
    into.add(forbiddenField(path, 'may not specify both ipBlock and another peer'));
  }
}

function checkBlock(into: Collector, block: JsonObject, path: FieldPath): void {
  const own = child(path, 'cidr');
  const { cidr } = block;
  if (!into.needsText(own, cidr)) return;
  into.problems(own, cidr, cidrProblems(cidr));
  const whole = parseCidr(cidr);
  if (whole === undefined) return;
  for (const [index, entry] of listAt(block, 'except').entries()) {
    const text = String(entry);
    const place = at(child(path, 'except'), index);
    into.problems(place, text, cidrProblems(text));
    const part = parseCidr(text);
    if (part === undefined) continue;
    if (blockContains(whole, part.address) && part.prefixBits > whole.prefixBits) continue;
    into.add(invalid(place, text, 'must be a strict subset of `cidr`'));
  }
}
