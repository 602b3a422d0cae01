/**
 * Rules for claims of devices and for what drivers offer. Not looked at: expressions, attributes, capacities and counters.
 * Source: upstream `pkg/apis/resource/validation`.
 */
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  invalid,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems, dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { isTrueAt, listAt, numberAt, objectAt, objectsAt, stringAt, valueAt } from '../draft.ts';
import { Collector } from '../validation/collector.ts';

const requestsMax = 32;
const alternativesMax = 8;
const selectorsMax = 32;
const devicesMax = 128;

function checkSelectors(into: Collector, selectors: readonly JsonObject[], path: FieldPath): void {
  into.atMost(path, selectors, selectorsMax);
  for (const [index, selector] of selectors.entries()) {
    const cel = objectAt(selector, 'cel');
    if (cel === undefined) into.add(required(child(at(path, index), 'cel')));
    else into.needsText(child(child(at(path, index), 'cel'), 'expression'), cel.expression);
  }
}

/** Checks how many devices of which class one request is for. */
function checkWanted(into: Collector, wanted: JsonObject, path: FieldPath): void {
  into.needsName(child(path, 'deviceClassName'), wanted.deviceClassName, dns1123SubdomainProblems);
  checkSelectors(into, objectsAt(wanted, 'selectors'), child(path, 'selectors'));
  const count = numberAt(wanted, 'count') ?? 0;
  if (wanted.allocationMode === 'ExactCount') into.positive(child(path, 'count'), count);
  else if (wanted.allocationMode === 'All' && count !== 0) {
    into.add(invalid(child(path, 'count'), count, "must not be specified when allocationMode is 'All'"));
  } else into.oneOf(child(path, 'allocationMode'), wanted.allocationMode, ['All', 'ExactCount']);
}

/** Checks the names of a list, which are labels that come once. */
function checkNames(into: Collector, items: readonly JsonObject[], path: FieldPath): void {
  const names = items.map((item) => stringAt(item, 'name'));
  for (const [index, name] of names.entries()) {
    into.needsName(child(at(path, index), 'name'), name, dns1123LabelProblems);
    if (name !== '' && names.indexOf(name) < index) into.add(duplicate(child(at(path, index), 'name'), name));
  }
}

function checkClaim(into: Collector, spec: JsonObject, path: FieldPath): void {
  const requestsPath = `${path}.devices.requests`;
  const requests = objectsAt(spec, 'devices', 'requests');
  into.atMost(requestsPath, requests, requestsMax);
  checkNames(into, requests, requestsPath);
  for (const [index, request] of requests.entries()) {
    const where = at(requestsPath, index);
    const [exactly, alternatives] = [objectAt(request, 'exactly'), objectsAt(request, 'firstAvailable')];
    if ((exactly === undefined) === (alternatives.length === 0)) {
      const count = exactly === undefined ? 'one' : 'only one';
      into.add(required(where, `${count} of \`exactly\` or \`firstAvailable\` must be specified`));
    }
    if (exactly !== undefined) checkWanted(into, exactly, child(where, 'exactly'));
    const listPath = child(where, 'firstAvailable');
    into.atMost(listPath, alternatives, alternativesMax);
    checkNames(into, alternatives, listPath);
    for (const [position, wanted] of alternatives.entries()) checkWanted(into, wanted, at(listPath, position));
  }
}

/** What is wrong with a `ResourceClaim`. Source: upstream `ValidateResourceClaim`. */
export function validateResourceClaim(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  checkClaim(into, objectAt(draft, 'spec') ?? {}, 'spec');
  return into.errors;
}

/** What is wrong with a `ResourceClaimTemplate`. Source: upstream `ValidateResourceClaimTemplate`. */
export function validateResourceClaimTemplate(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  checkClaim(into, objectAt(draft, 'spec', 'spec') ?? {}, 'spec.spec');
  return into.errors;
}

/** What is wrong with a `DeviceClass`. Source: upstream `ValidateDeviceClass`. */
export function validateDeviceClass(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  checkSelectors(into, objectsAt(draft, 'spec', 'selectors'), 'spec.selectors');
  return into.errors;
}

/** What is wrong with a `ResourceSlice`. Source: upstream `ValidateResourceSlice`. */
export function validateResourceSlice(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec') ?? {};
  into.needsName('spec.driver', spec.driver, dns1123SubdomainProblems);
  into.needsText('spec.pool.name', valueAt(spec, 'pool', 'name'));
  into.positive('spec.pool.resourceSliceCount', numberAt(spec, 'pool', 'resourceSliceCount') ?? 0);
  into.notNegative('spec.pool.generation', numberAt(spec, 'pool', 'generation'));
  const places = [
    stringAt(spec, 'nodeName') !== '',
    objectAt(spec, 'nodeSelector') !== undefined,
    isTrueAt(spec, 'allNodes'),
    isTrueAt(spec, 'perDeviceNodeSelection'),
  ].filter(Boolean).length;
  const choice = 'one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required';
  if (places === 0) into.add(required('spec', `exactly ${choice}`));
  if (places > 1) into.add(invalid('spec', null, `exactly ${choice}, but multiple fields are set`));
  const devices = objectsAt(spec, 'devices');
  into.atMost('spec.devices', listAt(spec, 'devices'), devicesMax);
  checkNames(into, devices, 'spec.devices');
  return into.errors;
}
