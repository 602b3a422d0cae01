/** Rules for nodes. Source: upstream `ValidateNode`, `ValidateNodeUpdate`. */
import { at, child, duplicate, type FieldError, forbiddenField, invalid } from '#pkg/apimachinery/field-error.ts';
import { cidrProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { listAt, objectAt, objectsAt, semanticallySame, stringAt } from '../../draft.ts';
import { Collector } from '../../validation/collector.ts';
import { isIpv6 } from '../../validation/ips.ts';
import { checkAmount } from './resources.ts';
import { checkTaints } from './taints.ts';

/** What is wrong with a `Node`. Source: upstream `ValidateNode`. */
export function validateNode(node: JsonObject): readonly FieldError[] {
  const into = new Collector();
  // Upstream reports on taints as if they were metadata.
  checkTaints(into, objectsAt(node, 'spec', 'taints'), 'metadata.taints');
  for (const field of ['capacity', 'allocatable']) {
    for (const [name, amount] of Object.entries(objectAt(node, 'status', field) ?? {})) {
      checkAmount(into, amount, { name, path: child(child('status', field), name) });
    }
  }
  checkPodCidrs(into, listAt(node, 'spec', 'podCIDRs').map(String));
  return into.errors;
}

/** One block of each family. */
function checkPodCidrs(into: Collector, cidrs: readonly string[]): void {
  for (const [index, cidr] of cidrs.entries()) {
    into.problems(at('spec.podCIDRs', index), cidr, cidrProblems(cidr));
    if (cidrs.indexOf(cidr) < index) into.add(duplicate(at('spec.podCIDRs', index), cidr));
  }
  const families = new Set(cidrs.map((cidr) => isIpv6(cidr.split('/')[0]!)));
  if (cidrs.length <= families.size) return;
  into.add(invalid('spec.podCIDRs', cidrs, 'may specify no more than one CIDR for each IP family'));
}

/** What is wrong with a change of a `Node`. Source: upstream `ValidateNodeUpdate`. */
export function validateNodeUpdate(node: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  const addresses = objectsAt(node, 'status', 'addresses');
  for (const [index, address] of addresses.entries()) {
    const isRepeated = addresses.slice(0, index).some((other) => semanticallySame(other, address));
    if (isRepeated) into.add(duplicate(at('status.addresses', index), address));
  }
  const was = listAt(old, 'spec', 'podCIDRs');
  if (was.length > 0 && !semanticallySame(was, listAt(node, 'spec', 'podCIDRs'))) {
    into.add(forbiddenField('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'));
  }
  const provider = stringAt(old, 'spec', 'providerID');
  if (provider !== '' && provider !== stringAt(node, 'spec', 'providerID')) {
    into.add(forbiddenField('spec.providerID', 'node updates may not change providerID except from "" to valid'));
  }
  return into.errors;
}
