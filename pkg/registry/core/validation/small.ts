/** Rules for events, endpoints, limit ranges and quotas. Source: upstream `pkg/apis/core/validation`. */
import {
  at,
  child,
  duplicate,
  type FieldError,
  invalid,
  notSupported,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { ipProblems, portNumberProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { numberAt, objectAt, objectsAt, stringAt } from '../../draft.ts';
import { compareQuantities } from '../../quantities.ts';
import { Collector } from '../../validation/collector.ts';
import { checkQuantity } from './resources.ts';

export function validateEvent(draft: JsonObject): readonly FieldError[] {
  const namespace = stringAt(draft, 'metadata', 'namespace');
  const involved = stringAt(draft, 'involvedObject', 'namespace') || stringAt(draft, 'regarding', 'namespace');
  // Events about objects without a namespace live in the default one.
  const isGood = involved === '' ? namespace === 'default' || namespace === 'kube-system' : involved === namespace;
  return isGood ? [] : [invalid('involvedObject.namespace', involved, 'does not match event.namespace')];
}

export function validateEndpoints(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  for (const [index, subset] of objectsAt(draft, 'subsets').entries()) {
    const path = at('subsets', index);
    const ready = objectsAt(subset, 'addresses');
    if (ready.length === 0 && objectsAt(subset, 'notReadyAddresses').length === 0) {
      into.add(required(path, 'must specify `addresses` or `notReadyAddresses`'));
    }
    for (const field of ['addresses', 'notReadyAddresses']) {
      for (const [position, address] of objectsAt(subset, field).entries()) {
        const ip = stringAt(address, 'ip');
        into.problems(child(at(child(path, field), position), 'ip'), ip, ipProblems(ip));
      }
    }
    for (const [position, port] of objectsAt(subset, 'ports').entries()) {
      const number = numberAt(port, 'port') ?? 0;
      into.problems(child(at(child(path, 'ports'), position), 'port'), number, portNumberProblems(number));
    }
  }
  return into.errors;
}

export function validateResourceQuota(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  for (const [name, value] of Object.entries(objectAt(draft, 'spec', 'hard') ?? {})) {
    const path = at('spec.hard', name);
    into.problems(path, name, qualifiedNameProblems(name));
    checkQuantity(into, value, path);
  }
  return into.errors;
}

const limitTypes = ['Container', 'PersistentVolumeClaim', 'Pod'];

export function validateLimitRange(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const seen = new Set<string>();
  for (const [index, limit] of objectsAt(draft, 'spec', 'limits').entries()) {
    const path = at('spec.limits', index);
    const type = stringAt(limit, 'type');
    if (!limitTypes.includes(type) && !type.includes('/'))
      into.add(notSupported(child(path, 'type'), type, limitTypes));
    if (seen.has(type)) into.add(duplicate(child(path, 'type'), type));
    seen.add(type);
    const amounts = (field: string): JsonObject => objectAt(limit, field) ?? {};
    for (const field of ['min', 'max', 'default', 'defaultRequest']) {
      for (const [name, value] of Object.entries(amounts(field)))
        checkQuantity(into, value, at(child(path, field), name));
    }
    for (const [name, min] of Object.entries(amounts('min'))) {
      const max = amounts('max')[name];
      if (max === undefined || compareQuantities(min, max) <= 0) continue;
      const detail = `min value ${String(min)} is greater than max value ${String(max)}`;
      into.add(invalid(at(child(path, 'min'), name), String(min), detail));
    }
  }
  return into.errors;
}
