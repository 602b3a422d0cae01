/**
 * Taints of devices: those that drivers publish with their slices, and those that DeviceTaintRules add from outside. Each has the time since when it is there, which
 * evictions are reckoned from. Source: API reference, `DeviceTaint` v1beta2; upstream `pkg/apis/resource/validation`.
 */
import { deviceTaintRules } from '#pkg/api/types/refs.ts';
import type { DeviceTaint, DeviceToleration, ResourceSlice } from '#pkg/api/types/resource-v1.ts';
import type { DeviceTaintRule } from '#pkg/api/types/resource-v1beta2.ts';
import type { Draft, Given } from '#pkg/apimachinery/draft.ts';
import { at, child, type FieldError, type FieldPath, pathsOf, required } from '#pkg/apimachinery/field-error.ts';
import {
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  labelValueProblems,
  qualifiedNameProblems,
} from '#pkg/apimachinery/names.ts';
import { rulesOf, type Strategy } from '#pkg/apiserver/strategy.ts';
import { type Clock, timestamp } from '#pkg/base/clock.ts';
import { nameAndAgeTable } from '../printing/simple.ts';
import { keepStatus, ownStatus, statusAlone } from '../status.ts';
import { Collector } from '../validation/collector.ts';

const ruleField = pathsOf<DeviceTaintRule>();

const effects = ['NoExecute', 'NoSchedule', 'None'];
/** Source: `DeviceTaintsMaxLength`, `DeviceTolerationsMaxLength`, `DriverNameMaxLength`, `PoolNameMaxLength`. */
const taintsMax = 16;
const tolerationsMax = 16;
const driverMax = 63;
const poolMax = 253;

/** Checks one taint. */
function checkTaint(into: Collector, { key, value, effect }: Given<DeviceTaint>, path: FieldPath<DeviceTaint>): void {
  into.problems(child(path, 'key'), key ?? '', qualifiedNameProblems(key ?? ''));
  into.mayName(child(path, 'value'), value, labelValueProblems);
  into.needsOneOf(child(path, 'effect'), effect, effects);
}

/** Checks the taints of a device that a driver offers. */
export function checkTaints(
  into: Collector,
  taints: readonly Given<DeviceTaint>[],
  path: FieldPath<readonly DeviceTaint[]>,
): void {
  into.atMost(path, taints, taintsMax);
  for (const [index, taint] of taints.entries()) checkTaint(into, taint, at(path, index));
}

/** Checks the tolerations of a request for devices. */
export function checkTolerations(
  into: Collector,
  tolerations: readonly Given<DeviceToleration>[],
  path: FieldPath<readonly DeviceToleration[]>,
): void {
  into.atMost(path, tolerations, tolerationsMax);
  for (const [index, { key, operator, value, effect }] of tolerations.entries()) {
    const where = at(path, index);
    into.mayName(child(where, 'key'), key, qualifiedNameProblems);
    into.needsOneOf(child(where, 'operator'), operator, ['Equal', 'Exists']);
    const valuePath = child(where, 'value');
    if (operator === 'Equal') into.mayName(valuePath, value, labelValueProblems);
    if (operator === 'Exists') into.mayName(valuePath, value, () => ['must be empty for operator `Exists`']);
    if (effect) into.oneOf(child(where, 'effect'), effect, effects);
  }
}

/** Gives each taint of a slice that has no time the present one. */
export function stampTaints({ spec }: Draft<ResourceSlice>, { clock }: { readonly clock: Clock }): void {
  for (const { taints } of spec?.devices ?? []) for (const taint of taints ?? []) taint.timeAdded ??= timestamp(clock);
}

function checkPool(name: string): readonly string[] {
  if (name.length > poolMax) return [`must be no more than ${poolMax} characters`];
  return name.split('/').flatMap((part) => [...dns1123SubdomainProblems(part)]);
}

function checkDriver(name: string): readonly string[] {
  if (name.length > driverMax) return [`must be no more than ${driverMax} characters`];
  return [...dns1123SubdomainProblems(name.toLowerCase())];
}

function validateRule({ spec }: Given<DeviceTaintRule>): readonly FieldError[] {
  const into = new Collector();
  const { driver, pool, device } = spec?.deviceSelector ?? {};
  const selector = ruleField('spec.deviceSelector');
  const checks = [
    [child(selector, 'driver'), driver, checkDriver],
    [child(selector, 'pool'), pool, checkPool],
    [child(selector, 'device'), device, dns1123LabelProblems],
  ] as const;
  for (const [path, name, rule] of checks) {
    if (name === '') into.add(required(path));
    into.mayName(path, name, rule);
  }
  checkTaint(into, spec?.taint ?? {}, ruleField('spec.taint'));
  return into.errors;
}

/** Rules that taint devices. A change of the effect begins a new time, unless it says one. */
export const deviceTaintRuleStrategy: Strategy = rulesOf(deviceTaintRules, {
  tracksGeneration: true,
  subresources: { status: statusAlone },
  prepareForCreate(draft, { clock }) {
    ownStatus().prepareForCreate(draft);
    const taint = draft.spec?.taint;
    if (taint !== undefined) taint.timeAdded ??= timestamp(clock);
  },
  prepareForUpdate(draft, old, { clock }) {
    keepStatus(draft, old);
    const [taint, was] = [draft.spec?.taint, old.spec?.taint];
    if (taint === undefined) return;
    if (taint.effect !== was?.effect && taint.timeAdded === was?.timeAdded) delete taint.timeAdded;
    taint.timeAdded ??= timestamp(clock);
  },
  validate: validateRule,
  table: nameAndAgeTable,
});
