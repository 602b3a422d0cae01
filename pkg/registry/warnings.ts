/**
 * What is not wrong with an object, but is old or without effect: texts for `Warning` headers. Those about pods have a file of their own.
 * Not looked at: spellings of IP addresses that a later release refuses.
 * Source: upstream `pkg/api/{service,persistentvolume,persistentvolumeclaim}`, `WarningsOnCreate` of the strategies.
 */

import type { StatefulSet } from '#pkg/api/types/apps-v1.ts';
import type { PersistentVolume, PersistentVolumeClaim, Service } from '#pkg/api/types/core-v1.ts';
import type { Ingress } from '#pkg/api/types/networking-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import { at, child, type FieldPath, pathsOf, rootOf } from '#pkg/apimachinery/field-error.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { parseQuantity, quantityMilliValue } from '#pkg/apimachinery/quantity.ts';
import type { Strategy, StrategyContext } from '#pkg/apiserver/strategy.ts';
import { deprecatedLabelWarnings, deprecatedVolumes } from './core/pod-warnings.ts';

const wholeClaim = rootOf<PersistentVolumeClaim>();
const volumeField = pathsOf<PersistentVolume>();
const statefulSetField = pathsOf<StatefulSet>();

/** What a strategy warns of, and when. */
export interface WarningRules {
  warningsOf(draft: JsonObject): readonly string[];
  /** Whether an update is warned of as a new object is. Default: every one. */
  onUpdate?(draft: JsonObject, old: KubeObject): boolean;
}

/** The same strategy, which warns of new objects and of updates. */
export function withWarnings(strategy: Strategy, { warningsOf, onUpdate = () => true }: WarningRules): Strategy {
  const warn = (draft: JsonObject, context: StrategyContext): void => {
    for (const text of warningsOf(draft)) context.warn(text);
  };
  return {
    ...strategy,
    prepareForCreate(draft, context) {
      strategy.prepareForCreate?.(draft, context);
      warn(draft, context);
    },
    prepareForUpdate(draft, old, context) {
      strategy.prepareForUpdate?.(draft, old, context);
      if (onUpdate(draft, old)) warn(draft, context);
    },
  };
}

/** Warnings that hold when what stands before them does. */
function whichHold(candidates: readonly (readonly [boolean, string])[]): readonly string[] {
  return candidates.filter(([holds]) => holds).map(([, text]) => text);
}

/** What a Service sets to no effect, and what it should no longer use. */
export function serviceWarnings(service: Given<Service>): readonly string[] {
  const annotations = service.metadata?.annotations ?? {};
  const spec = service.spec ?? {};
  const isExternalName = spec.type === 'ExternalName';
  const isHeadless = spec.type === 'ClusterIP' && spec.clusterIP === 'None';
  const hasExternalIps = (spec.externalIPs ?? []).length > 0;
  const hints = 'service.kubernetes.io/topology-aware-hints';
  return whichHold([
    [
      Object.hasOwn(annotations, hints),
      `annotation ${hints} is deprecated, please use service.kubernetes.io/topology-mode instead`,
    ],
    [isHeadless && (spec.loadBalancerIP ?? '') !== '', 'spec.loadBalancerIP is ignored for headless services'],
    [isHeadless && hasExternalIps, 'spec.externalIPs is ignored for headless services'],
    [isHeadless && spec.sessionAffinity !== 'None', 'spec.SessionAffinity is ignored for headless services'],
    [
      hasExternalIps && !isHeadless && !isExternalName,
      'spec.externalIPs is deprecated and may no longer be implemented in some clusters',
    ],
    [hasExternalIps && isExternalName, 'spec.externalIPs is ignored when spec.type is "ExternalName"'],
    [
      (spec.externalName ?? '') !== '' && !isExternalName,
      'spec.externalName is ignored when spec.type is not "ExternalName"',
    ],
    [
      spec.trafficDistribution === 'PreferClose',
      'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"',
    ],
  ]);
}

function storageClassWarnings(object: Given<KubeObject>, path: FieldPath<KubeObject>): readonly string[] {
  const annotation = 'volume.beta.kubernetes.io/storage-class';
  if (!Object.hasOwn(object.metadata?.annotations ?? {}, annotation)) return [];
  const where = at(child(path, 'metadata.annotations'), annotation);
  return [`${where}: deprecated since v1.8; use "storageClassName" attribute instead`];
}

/** What a claim, or the template of one at `path`, asks for in an old way or in parts of bytes. */
export function claimWarnings(
  claim: Given<PersistentVolumeClaim>,
  path: FieldPath<PersistentVolumeClaim> = wholeClaim,
): readonly string[] {
  const amounts = fields('requests', 'limits').flatMap((name) => {
    const text = claim.spec?.resources?.[name]?.storage ?? '0';
    const amount = parseQuantity(text);
    if (amount === undefined || quantityMilliValue(amount) % 1000 === 0) return [];
    const where = at(child(child(path, 'spec.resources'), name), 'storage');
    return [`${where}: fractional byte value ${JSON.stringify(text)} is invalid, must be an integer`];
  });
  return [...storageClassWarnings(claim, path), ...amounts];
}

/** What a volume uses that has been deprecated. */
export function volumeWarnings(volume: Given<PersistentVolume>): readonly string[] {
  const spec = volume.spec ?? {};
  const terms = spec.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  const recycle =
    'The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.';
  return [
    ...storageClassWarnings(volume, rootOf<PersistentVolume>()),
    ...deprecatedVolumes.flatMap(({ name, why }) => (spec[name] === undefined ? [] : [`spec.${name}: ${why}`])),
    ...whichHold([
      [spec.persistentVolumeReclaimPolicy === 'Recycle', `spec.persistentVolumeReclaimPolicy: ${recycle}`],
    ]),
    ...terms.flatMap((term, index) =>
      deprecatedLabelWarnings(term, at(volumeField('spec.nodeAffinity.required.nodeSelectorTerms'), index)),
    ),
  ];
}

/** What an Ingress should no longer use. */
export function ingressWarnings(ingress: Given<Ingress>): readonly string[] {
  const annotation = 'kubernetes.io/ingress.class';
  if (!Object.hasOwn(ingress.metadata?.annotations ?? {}, annotation)) return [];
  return [`annotation "${annotation}" is deprecated, please use 'spec.ingressClassName' instead`];
}

/** What a stateful set asks for besides its pod template. */
export function statefulSetWarnings(set: Given<StatefulSet>): readonly string[] {
  const kept = set.spec?.revisionHistoryLimit ?? 0;
  return [
    ...(set.spec?.volumeClaimTemplates ?? []).flatMap((claim, index) =>
      claimWarnings(claim, at(statefulSetField('spec.volumeClaimTemplates'), index)),
    ),
    ...whichHold([
      [
        kept < 0,
        'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended',
      ],
    ]),
  ];
}
