/** Rules for nodes. Source: upstream `ValidateNode`, `ValidateNodeUpdate`. */
import { at, child, duplicate, type FieldError, forbiddenField } from '#pkg/apimachinery/field-error.ts';
import { cidrProblems, labelValueProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { listAt, objectAt, objectsAt, semanticallySame, stringAt } from '../../draft.ts';
import { Collector } from '../../validation/collector.ts';
import { checkQuantity } from './resources.ts';
import { taintEffects } from './scheduling.ts';

export function validateNode(node: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const seen = new Set<string>();
  for (const [index, taint] of objectsAt(node, 'spec', 'taints').entries()) {
    const path = at('spec.taints', index);
    const key = stringAt(taint, 'key');
    const value = stringAt(taint, 'value');
    into.problems(child(path, 'key'), key, qualifiedNameProblems(key));
    into.problems(child(path, 'value'), value, labelValueProblems(value));
    into.oneOf(child(path, 'effect'), taint.effect ?? '', taintEffects);
    const id = `${key}:${stringAt(taint, 'effect')}`;
    if (seen.has(id)) into.add(duplicate(path, taint));
    seen.add(id);
  }
  for (const [index, cidr] of listAt(node, 'spec', 'podCIDRs').entries()) {
    into.problems(at('spec.podCIDRs', index), cidr, cidrProblems(String(cidr)));
  }
  for (const field of ['capacity', 'allocatable']) {
    for (const [name, value] of Object.entries(objectAt(node, 'status', field) ?? {})) {
      checkQuantity(into, value, at(`status.${field}`, name));
    }
  }
  return into.errors;
}

export function validateNodeUpdate(node: JsonObject, old: KubeObject): readonly FieldError[] {
  const errors: FieldError[] = [];
  const was = listAt(old, 'spec', 'podCIDRs');
  if (was.length > 0 && !semanticallySame(was, listAt(node, 'spec', 'podCIDRs'))) {
    errors.push(forbiddenField('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'));
  }
  const provider = stringAt(old, 'spec', 'providerID');
  if (provider !== '' && provider !== stringAt(node, 'spec', 'providerID')) {
    errors.push(forbiddenField('spec.providerID', 'node updates may not change providerID except from "" to valid'));
  }
  const names = objectsAt(node, 'status', 'addresses').map((address) => JSON.stringify(address));
  for (const [index, address] of names.entries()) {
    if (names.indexOf(address) < index) errors.push(duplicate(at('status.addresses', index), JSON.parse(address)));
  }
  return errors;
}
