/**
 * Gives containers the requests and limits that their namespace's LimitRanges set by default, says so in an annotation of the pod, and
 * refuses pods, their resizes and claims beyond the ranges. The rules themselves are in `limit-rules.ts`.
 * Source: upstream `plugin/pkg/admission/limitranger`.
 */
import type {
  LimitRange,
  LimitRangeItem,
  PersistentVolumeClaim,
  Pod,
  ResourceRequirements,
} from '#pkg/api/types/core-v1.ts';
import { limitRanges, persistentVolumeClaims, pods } from '#pkg/api/types/refs.ts';
import { type Draft, fields, type Given } from '#pkg/apimachinery/draft.ts';
import { inKeyOrder } from '#pkg/apimachinery/json.ts';
import { forbidden } from '#pkg/apimachinery/status-error.ts';
import { type AdmissionAttributes, type AdmissionPlugin, about, readAll } from '#pkg/apiserver/strategy.ts';
import { onceThere } from '#pkg/base/async.ts';
import { amountsOf, claimViolations, podAmounts, violations } from './limit-rules.ts';
import { aboutPod } from './pods.ts';

/** Says which amounts of a pod came from a range. */
const annotation = 'kubernetes.io/limit-ranger';

function itemsOf(range: LimitRange, type: string): readonly LimitRangeItem[] {
  return (range.spec?.limits ?? []).filter((item) => item.type === type);
}

type Amounts = Readonly<Record<string, string>>;

/** Puts what is missing into a field of `resources`, in the order of names; returns the names. */
function fill(
  resources: Draft<ResourceRequirements>,
  field: 'limits' | 'requests',
  defaults: Amounts,
): readonly string[] {
  const amounts = resources[field] ?? {};
  const names = Object.keys(defaults).filter((name) => !Object.hasOwn(amounts, name));
  if (names.length === 0) return names;
  const added = Object.entries(defaults).filter(([name]) => names.includes(name));
  resources[field] = inKeyOrder({ ...amounts, ...Object.fromEntries(added) });
  return names.sort();
}

function applyDefaults(pod: Draft<Pod>, range: LimitRange): void {
  const items = itemsOf(range, 'Container');
  const limits: Amounts = Object.assign({}, ...items.map((item) => item.default));
  const requests: Amounts = Object.assign({}, ...items.map((item) => item.defaultRequest));
  const notes: string[] = [];
  for (const [field, word] of [
    ['containers', 'container'],
    ['initContainers', 'init container'],
  ] as const) {
    for (const container of pod.spec?.[field] ?? []) {
      container.resources ??= {};
      const owner = `${word} ${container.name ?? ''}`;
      const requested = fill(container.resources, 'requests', requests);
      const limited = fill(container.resources, 'limits', limits);
      if (requested.length > 0) notes.push(`${requested.join(', ')} request for ${owner}`);
      if (limited.length > 0) notes.push(`${limited.join(', ')} limit for ${owner}`);
    }
  }
  if (notes.length === 0) return;
  pod.metadata ??= {};
  const annotations = pod.metadata.annotations ?? {};
  pod.metadata.annotations = inKeyOrder({
    ...annotations,
    [annotation]: `LimitRanger plugin set: ${notes.join('; ')}`,
  });
}

function podViolations(pod: Given<Pod>, range: LimitRange): readonly string[] {
  const containers = fields('containers', 'initContainers').flatMap((field) => pod.spec?.[field] ?? []);
  const total = podAmounts(pod);
  return [
    ...itemsOf(range, 'Container').flatMap((item) =>
      containers.flatMap((container) => violations('Container', item, amountsOf(container))),
    ),
    ...itemsOf(range, 'Pod').flatMap((item) => violations('Pod', item, total)),
  ];
}

function claimErrors(claim: Given<PersistentVolumeClaim>, range: LimitRange): readonly string[] {
  const amounts = amountsOf(claim.spec ?? {});
  return itemsOf(range, 'PersistentVolumeClaim').flatMap((item) => claimViolations(item, amounts));
}

function aboutClaim(attributes: AdmissionAttributes): AdmissionAttributes<PersistentVolumeClaim> | undefined {
  return about(attributes, persistentVolumeClaims);
}

/** A new pod, or other amounts for one: nothing else changes what a pod asks for. */
function aboutAmounts(attributes: AdmissionAttributes): AdmissionAttributes<Pod> | undefined {
  const pod = aboutPod(attributes);
  if (pod !== undefined) return pod.operation === 'CREATE' ? pod : undefined;
  return about(attributes, pods, 'resize');
}

/** Fills in the defaults of a namespace's ranges on new pods and refuses what is outside of them. */
export const limitRangerPlugin: AdmissionPlugin = {
  name: 'LimitRanger',
  handles: (attributes) =>
    (attributes.operation === 'CREATE' || attributes.operation === 'UPDATE') &&
    (aboutAmounts(attributes) !== undefined || aboutClaim(attributes) !== undefined),
  admit(attributes, _context, reader) {
    const draft = aboutAmounts(attributes)?.draft;
    if (draft === undefined) return;
    return onceThere(readAll(reader, limitRanges, attributes.namespace), (ranges) => {
      for (const range of ranges) applyDefaults(draft, range);
    });
  },
  validate(attributes, _context, reader) {
    return onceThere(readAll(reader, limitRanges, attributes.namespace), (ranges) => {
      for (const range of ranges) checkRange(attributes, range);
    });
  },
};

function checkRange(attributes: AdmissionAttributes, range: LimitRange): void {
  const pod = aboutAmounts(attributes)?.draft;
  const claim = aboutClaim(attributes)?.draft;
  const texts = [...(pod ? podViolations(pod, range) : []), ...(claim ? claimErrors(claim, range) : [])];
  if (texts.length === 0) return;
  const why = texts.length === 1 ? texts.join() : `[${texts.join(', ')}]`;
  throw forbidden(attributes, (pod ?? claim)?.metadata?.name ?? '', why);
}
