/** Rules for nodes. Source: upstream `ValidateNode`, `ValidateNodeUpdate`. */

import type { Node } from '#pkg/api/types/core-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  duplicate,
  type FieldError,
  forbiddenField,
  invalid,
  pathsOf,
  untyped,
} from '#pkg/apimachinery/field-error.ts';
import { cidrProblems } from '#pkg/apimachinery/names.ts';
import { textBefore } from '#pkg/base/text-before.ts';
import { semanticallySame } from '../../draft.ts';
import { Collector } from '../../validation/collector.ts';
import { isIpv6 } from '../../validation/ips.ts';
import { checkAmount } from './resources.ts';
import { checkTaints } from './taints.ts';

const field = pathsOf<Node>();

/** What is wrong with a `Node`. Source: upstream `ValidateNode`. */
export function validateNode(node: Given<Node>): readonly FieldError[] {
  const into = new Collector();
  // Upstream reports on taints as if they were metadata.
  checkTaints(into, node.spec?.taints ?? [], untyped('metadata.taints'));
  checkAmounts(into, node);
  checkPodCidrs(into, node.spec?.podCIDRs ?? []);
  return into.errors;
}

/** What is wrong with a `Node` whose status changes: its spec is that of `old`, which was looked at before. */
export function validateNodeStatusUpdate(node: Given<Node>, old: Given<Node>): readonly FieldError[] {
  const into = new Collector();
  checkAmounts(into, node);
  return [...into.errors, ...validateNodeUpdate(node, old)];
}

function checkAmounts(into: Collector, { status }: Given<Node>): void {
  for (const each of fields('capacity', 'allocatable')) {
    for (const [name, amount] of Object.entries(status?.[each] ?? {})) {
      checkAmount(into, amount, { name, path: child(child(field('status'), each), name) });
    }
  }
}

/** One block of each family. */
function checkPodCidrs(into: Collector, cidrs: readonly string[]): void {
  for (const [index, cidr] of cidrs.entries()) {
    into.problems(at(field('spec.podCIDRs'), index), cidr, cidrProblems(cidr));
    if (cidrs.indexOf(cidr) < index) into.add(duplicate(at(field('spec.podCIDRs'), index), cidr));
  }
  const families = new Set(cidrs.map((cidr) => isIpv6(textBefore(cidr, '/'))));
  if (cidrs.length <= families.size) return;
  into.add(invalid(field('spec.podCIDRs'), cidrs, 'may specify no more than one CIDR for each IP family'));
}

/** What is wrong with a change of a `Node`. Source: upstream `ValidateNodeUpdate`. */
export function validateNodeUpdate(node: Given<Node>, old: Given<Node>): readonly FieldError[] {
  const into = new Collector();
  const addresses = node.status?.addresses ?? [];
  for (const [index, address] of addresses.entries()) {
    const isRepeated = addresses.slice(0, index).some((other) => semanticallySame(other, address));
    if (isRepeated) into.add(duplicate(at(field('status.addresses'), index), address));
  }
  const was = old.spec?.podCIDRs ?? [];
  if (was.length > 0 && !semanticallySame(was, node.spec?.podCIDRs ?? [])) {
    into.add(forbiddenField(field('spec.podCIDRs'), 'node updates may not change podCIDR except from "" to valid'));
  }
  const provider = old.spec?.providerID ?? '';
  if (provider !== '' && provider !== (node.spec?.providerID ?? '')) {
    into.add(
      forbiddenField(field('spec.providerID'), 'node updates may not change providerID except from "" to valid'),
    );
  }
  return into.errors;
}
