/** Rules for stateful sets. Source: upstream `ValidateStatefulSetSpec`, `ValidateStatefulSetUpdate`. */
import type {
  RollingUpdateStatefulSetStrategy,
  StatefulSet,
  StatefulSetPersistentVolumeClaimRetentionPolicy,
  StatefulSetSpec,
  StatefulSetUpdateStrategy,
} from '#pkg/api/types/apps-v1.ts';
import type { PersistentVolumeClaim } from '#pkg/api/types/core-v1.ts';
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
import { dns1123LabelProblems, dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import { checkClaimSpec } from '../core/validation/persistent-volume-claim.ts';
import { withClaimVolumes } from '../core/validation/volumes.ts';
import { semanticallySame, without } from '../draft.ts';
import { Collector } from '../validation/collector.ts';
import { countOrPercentErrors, isZeroCount, percentAbove100Errors } from '../validation/numbers.ts';
import { checkSelectorAndTemplate } from './pod-template-rules.ts';

const field = pathsOf<StatefulSet>();

/** What is wrong with a `StatefulSet`. Source: upstream `ValidateStatefulSet`. */
export function validateStatefulSet(draft: Given<StatefulSet>): readonly FieldError[] {
  const into = new Collector();
  const spec = draft.spec ?? {};
  const policy = spec.podManagementPolicy;
  if (into.needsText(field('spec.podManagementPolicy'), policy) && policy !== 'OrderedReady' && policy !== 'Parallel') {
    into.add(invalid(field('spec.podManagementPolicy'), policy, "must be 'OrderedReady' or 'Parallel'"));
  }
  checkStrategy(into, spec.updateStrategy ?? {});
  const retention = spec.persistentVolumeClaimRetentionPolicy;
  const times: readonly (keyof StatefulSetPersistentVolumeClaimRetentionPolicy)[] = ['whenDeleted', 'whenScaled'];
  for (const time of times) {
    into.oneOf(child(field('spec.persistentVolumeClaimRetentionPolicy'), time), retention?.[time], [
      'Retain',
      'Delete',
    ]);
  }
  into.notNegative(field('spec.replicas'), spec.replicas);
  into.notNegative(field('spec.minReadySeconds'), spec.minReadySeconds);
  into.notNegative(field('spec.revisionHistoryLimit'), spec.revisionHistoryLimit);
  into.notNegative(field('spec.ordinals.start'), spec.ordinals?.start);
  into.mayName(field('spec.serviceName'), spec.serviceName, dns1123LabelProblems);
  const claims = spec.volumeClaimTemplates ?? [];
  checkClaims(into, claims);
  checkSelectorAndTemplate(into, withClaims(spec, claims), { kind: 'statefulset', deadlineKind: 'StatefulSet' });
  return into.errors;
}

/** Containers mount the claims that the set makes as they mount volumes of the template. */
function withClaims(
  spec: Given<StatefulSetSpec>,
  claims: readonly Given<PersistentVolumeClaim>[],
): Given<StatefulSetSpec> {
  const template = spec.template;
  const podSpec = template?.spec;
  if (podSpec === undefined || claims.length === 0) return spec;
  return { ...spec, template: { ...template, spec: withClaimVolumes(podSpec, claims) } };
}

function checkClaims(into: Collector, claims: readonly Given<PersistentVolumeClaim>[]): void {
  for (const [index, claim] of claims.entries()) {
    const path = at(field('spec.volumeClaimTemplates'), index);
    into.needsName(child(path, 'metadata.name'), claim.metadata?.name, dns1123SubdomainProblems);
    checkClaimSpec(into, claim.spec ?? {}, child(path, 'spec'));
  }
}

function checkStrategy(into: Collector, strategy: Given<StatefulSetUpdateStrategy>): void {
  const path = field('spec.updateStrategy');
  const rolling = strategy.rollingUpdate;
  switch (strategy.type ?? '') {
    case '':
      into.add(required(path));
      return;
    case 'OnDelete':
      if (rolling !== undefined) {
        into.add(invalid(child(path, 'rollingUpdate'), rolling, "only allowed for updateStrategy 'RollingUpdate'"));
      }
      return;
    case 'RollingUpdate':
      if (rolling !== undefined) checkRolling(into, rolling, child(path, 'rollingUpdate'));
      return;
    default:
      into.add(invalid(path, strategy, "must be 'RollingUpdate' or 'OnDelete'"));
  }
}

function checkRolling(
  into: Collector,
  rolling: Given<RollingUpdateStatefulSetStrategy>,
  path: FieldPath<RollingUpdateStatefulSetStrategy>,
): void {
  into.notNegative(child(path, 'partition'), rolling.partition);
  const { maxUnavailable } = rolling;
  if (maxUnavailable === undefined) return;
  const own = child(path, 'maxUnavailable');
  into.add(...countOrPercentErrors(maxUnavailable, own));
  if (isZeroCount(maxUnavailable)) into.add(invalid(own, maxUnavailable, 'cannot be 0'));
  into.add(...percentAbove100Errors(maxUnavailable, own));
}

/** Fields of the spec that may change, in the order of the message. */
const changeable: readonly (keyof StatefulSetSpec)[] = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
];

/** Refuses changes of what a stateful set is made for good with. Source: upstream `ValidateStatefulSetUpdate`. */
export function validateStatefulSetUpdate(draft: Given<StatefulSet>, old: Given<StatefulSet>): readonly FieldError[] {
  if (semanticallySame(without(draft.spec, changeable), without(old.spec, changeable))) return [];
  const quoted = changeable.map((name) => `'${name}'`);
  const listed = `${quoted.slice(0, -1).join(', ')} and ${quoted.at(-1)}`;
  return [forbiddenField(field('spec'), `updates to statefulset spec for fields other than ${listed} are forbidden`)];
}
