/**
 * Rules for claims of devices and for what drivers offer. Not looked at: expressions, attributes, capacities and counters.
 * Source: upstream `pkg/apis/resource/validation`.
 */

import type {
  DeviceClass,
  DeviceSelector,
  ExactDeviceRequest,
  ResourceClaim,
  ResourceClaimSpec,
  ResourceClaimTemplate,
  ResourceSlice,
} from '#pkg/api/types/resource-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  invalid,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems, dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import { Collector } from '../validation/collector.ts';
import { checkTaints, checkTolerations } from './device-taints.ts';

const resourceClaimField = pathsOf<ResourceClaim>();
const resourceClaimTemplateField = pathsOf<ResourceClaimTemplate>();
const deviceClassField = pathsOf<DeviceClass>();
const resourceSliceField = pathsOf<ResourceSlice>();

const requestsMax = 32;
const alternativesMax = 8;
const selectorsMax = 32;
const devicesMax = 128;

function checkSelectors(
  into: Collector,
  selectors: readonly Given<DeviceSelector>[],
  path: FieldPath<readonly DeviceSelector[]>,
): void {
  into.atMost(path, selectors, selectorsMax);
  for (const [index, selector] of selectors.entries()) {
    const cel = selector.cel;
    if (cel === undefined) into.add(required(child(at(path, index), 'cel')));
    else into.needsText(child(child(at(path, index), 'cel'), 'expression'), cel.expression);
  }
}

/** What a request for devices of one class has, in either of its forms. */
type WantedDevices = Pick<
  ExactDeviceRequest,
  'allocationMode' | 'count' | 'deviceClassName' | 'selectors' | 'tolerations'
>;

/** Checks how many devices of which class one request is for. */
function checkWanted(into: Collector, wanted: Given<WantedDevices>, path: FieldPath<WantedDevices>): void {
  into.needsName(child(path, 'deviceClassName'), wanted.deviceClassName, dns1123SubdomainProblems);
  checkSelectors(into, wanted.selectors ?? [], child(path, 'selectors'));
  checkTolerations(into, wanted.tolerations ?? [], child(path, 'tolerations'));
  const count = wanted.count ?? 0;
  if (wanted.allocationMode === 'ExactCount') into.positive(child(path, 'count'), count);
  else if (wanted.allocationMode === 'All' && count !== 0) {
    into.add(invalid(child(path, 'count'), count, "must not be specified when allocationMode is 'All'"));
  } else into.oneOf(child(path, 'allocationMode'), wanted.allocationMode, ['All', 'ExactCount']);
}

/** Checks the names of a list, which are labels that come once. */
interface Named {
  readonly name: string;
}

function checkNames(into: Collector, items: readonly Given<Named>[], path: FieldPath<readonly Named[]>): void {
  const names = items.map((item) => item.name ?? '');
  for (const [index, name] of names.entries()) {
    into.needsName(child(at(path, index), 'name'), name, dns1123LabelProblems);
    if (name !== '' && names.indexOf(name) < index) into.add(duplicate(child(at(path, index), 'name'), name));
  }
}

function checkClaim(into: Collector, spec: Given<ResourceClaimSpec>, path: FieldPath<ResourceClaimSpec>): void {
  const requestsPath = child(path, 'devices.requests');
  const requests = spec.devices?.requests ?? [];
  into.atMost(requestsPath, requests, requestsMax);
  checkNames(into, requests, requestsPath);
  for (const [index, request] of requests.entries()) {
    const where = at(requestsPath, index);
    const [exactly, alternatives] = [request.exactly, request.firstAvailable ?? []];
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
export function validateResourceClaim(draft: Given<ResourceClaim>): readonly FieldError[] {
  const into = new Collector();
  checkClaim(into, draft.spec ?? {}, resourceClaimField('spec'));
  return into.errors;
}

/** What is wrong with a `ResourceClaimTemplate`. Source: upstream `ValidateResourceClaimTemplate`. */
export function validateResourceClaimTemplate(draft: Given<ResourceClaimTemplate>): readonly FieldError[] {
  const into = new Collector();
  checkClaim(into, draft.spec?.spec ?? {}, resourceClaimTemplateField('spec.spec'));
  return into.errors;
}

/** What is wrong with a `DeviceClass`. Source: upstream `ValidateDeviceClass`. */
export function validateDeviceClass(draft: Given<DeviceClass>): readonly FieldError[] {
  const into = new Collector();
  checkSelectors(into, draft.spec?.selectors ?? [], deviceClassField('spec.selectors'));
  return into.errors;
}

/** What is wrong with a `ResourceSlice`. Source: upstream `ValidateResourceSlice`. */
export function validateResourceSlice(draft: Given<ResourceSlice>): readonly FieldError[] {
  const into = new Collector();
  const spec = draft.spec ?? {};
  into.needsName(resourceSliceField('spec.driver'), spec.driver, dns1123SubdomainProblems);
  into.needsText(resourceSliceField('spec.pool.name'), spec.pool?.name);
  into.positive(resourceSliceField('spec.pool.resourceSliceCount'), spec.pool?.resourceSliceCount ?? 0);
  into.notNegative(resourceSliceField('spec.pool.generation'), spec.pool?.generation);
  const places = [
    (spec.nodeName ?? '') !== '',
    spec.nodeSelector !== undefined,
    spec.allNodes === true,
    spec.perDeviceNodeSelection === true,
  ].filter(Boolean).length;
  const choice = 'one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required';
  if (places === 0) into.add(required(resourceSliceField('spec'), `exactly ${choice}`));
  if (places > 1) into.add(invalid(resourceSliceField('spec'), null, `exactly ${choice}, but multiple fields are set`));
  const devices = spec.devices ?? [];
  into.atMost(resourceSliceField('spec.devices'), spec.devices ?? [], devicesMax);
  checkNames(into, devices, resourceSliceField('spec.devices'));
  for (const [index, { taints }] of devices.entries())
    checkTaints(into, taints ?? [], child(at(resourceSliceField('spec.devices'), index), 'taints'));
  return into.errors;
}
