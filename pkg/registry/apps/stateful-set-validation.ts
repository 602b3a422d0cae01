/** Rules for stateful sets. Source: upstream `ValidateStatefulSetSpec`, `ValidateStatefulSetUpdate`. */
import { at, child, type FieldError, forbiddenField, invalid, required } from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems, dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { checkClaimSpec } from '../core/validation/persistent-volume-claim.ts';
import { withClaimVolumes } from '../core/validation/volumes.ts';
import { objectAt, objectsAt, semanticallySame, valueAt } from '../draft.ts';
import { Collector } from '../validation/collector.ts';
import { countOrPercentErrors, isZeroCount, percentAbove100Errors } from '../validation/numbers.ts';
import { checkSelectorAndTemplate } from './pod-template-rules.ts';

/** What is wrong with a `StatefulSet`. Source: upstream `ValidateStatefulSet`. */
export function validateStatefulSet(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec') ?? {};
  const policy = spec.podManagementPolicy;
  if (into.needsText('spec.podManagementPolicy', policy) && policy !== 'OrderedReady' && policy !== 'Parallel') {
    into.add(invalid('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'"));
  }
  checkStrategy(into, objectAt(spec, 'updateStrategy') ?? {});
  const retention = objectAt(spec, 'persistentVolumeClaimRetentionPolicy');
  for (const field of ['whenDeleted', 'whenScaled']) {
    into.oneOf(`spec.persistentVolumeClaimRetentionPolicy.${field}`, retention?.[field], ['Retain', 'Delete']);
  }
  for (const field of ['replicas', 'minReadySeconds', 'revisionHistoryLimit']) {
    into.notNegative(child('spec', field), spec[field]);
  }
  into.notNegative('spec.ordinals.start', valueAt(spec, 'ordinals', 'start'));
  into.mayName('spec.serviceName', spec.serviceName, dns1123LabelProblems);
  const claims = objectsAt(spec, 'volumeClaimTemplates');
  checkClaims(into, claims);
  checkSelectorAndTemplate(into, withClaims(spec, claims), { kind: 'statefulset', deadlineKind: 'StatefulSet' });
  return into.errors;
}

/** Containers mount the claims that the set makes as they mount volumes of the template. */
function withClaims(spec: JsonObject, claims: readonly JsonObject[]): JsonObject {
  const template = objectAt(spec, 'template');
  const podSpec = objectAt(template, 'spec');
  if (podSpec === undefined || claims.length === 0) return spec;
  return { ...spec, template: { ...template, spec: withClaimVolumes(podSpec, claims) } };
}

function checkClaims(into: Collector, claims: readonly JsonObject[]): void {
  for (const [index, claim] of claims.entries()) {
    const path = at('spec.volumeClaimTemplates', index);
    into.needsName(`${path}.metadata.name`, valueAt(claim, 'metadata', 'name'), dns1123SubdomainProblems);
    checkClaimSpec(into, objectAt(claim, 'spec') ?? {}, child(path, 'spec'));
  }
}

function checkStrategy(into: Collector, strategy: JsonObject): void {
  const path = 'spec.updateStrategy';
  const rolling = objectAt(strategy, 'rollingUpdate');
  switch (strategy.type ?? '') {
    case '':
      into.add(required(path));
      return;
    case 'OnDelete':
      if (rolling !== undefined) {
        into.add(invalid(`${path}.rollingUpdate`, rolling, "only allowed for updateStrategy 'RollingUpdate'"));
      }
      return;
    case 'RollingUpdate':
      if (rolling !== undefined) checkRolling(into, rolling, `${path}.rollingUpdate`);
      return;
    default:
      into.add(invalid(path, strategy, "must be 'RollingUpdate' or 'OnDelete'"));
  }
}

function checkRolling(into: Collector, rolling: JsonObject, path: string): void {
  into.notNegative(child(path, 'partition'), rolling.partition);
  const { maxUnavailable } = rolling;
  if (maxUnavailable === undefined) return;
  const own = child(path, 'maxUnavailable');
  into.add(...countOrPercentErrors(maxUnavailable, own));
  if (isZeroCount(maxUnavailable)) into.add(invalid(own, maxUnavailable, 'cannot be 0'));
  into.add(...percentAbove100Errors(maxUnavailable, own));
}

/** Fields of the spec that may change, in the order of the message. */
const changeable = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
];

/** Refuses changes of what a stateful set is made for good with. Source: upstream `ValidateStatefulSetUpdate`. */
export function validateStatefulSetUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const fixed = (object: JsonObject | KubeObject): JsonObject => {
    const spec = { ...objectAt(object, 'spec') };
    for (const field of changeable) delete spec[field];
    return spec;
  };
  if (semanticallySame(fixed(draft), fixed(old))) return [];
  const quoted = changeable.map((field) => `'${field}'`);
  const listed = `${quoted.slice(0, -1).join(', ')} and ${quoted.at(-1)}`;
  return [forbiddenField('spec', `updates to statefulset spec for fields other than ${listed} are forbidden`)];
}
