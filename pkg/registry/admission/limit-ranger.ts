/**
 * Gives containers the requests and limits that their namespace's LimitRanges set by default, says so in an annotation of the pod, and
 * refuses pods, their resizes and claims beyond the ranges. The rules themselves are in `limit-rules.ts`.
 * Source: upstream `plugin/pkg/admission/limitranger`.
 */
import { inKeyOrder, isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { forbidden } from '#pkg/apimachinery/status-error.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import { ensureObject, objectAt, objectsAt, stringAt } from '../draft.ts';
import { amountsOf, claimViolations, podAmounts, violations } from './limit-rules.ts';
import { isPod, podSubject } from './pods.ts';

const ranges = { group: '', resource: 'limitranges' };
const claims = { group: '', resource: 'persistentvolumeclaims' };

/** Says which amounts of a pod came from a range. */
const annotation = 'kubernetes.io/limit-ranger';

function itemsOf(range: KubeObject, type: string): readonly JsonObject[] {
  return objectsAt(range, 'spec', 'limits').filter((item) => item.type === type);
}

/** Puts what is missing into a field of `resources`, in the order of names; returns the names. */
function fill(resources: JsonObject, field: string, defaults: Readonly<Record<string, unknown>>): readonly string[] {
  const amounts = isObject(resources[field]) ? resources[field] : {};
  const names = Object.keys(defaults).filter((name) => !Object.hasOwn(amounts, name));
  if (names.length === 0) return names;
  resources[field] = inKeyOrder({ ...amounts, ...Object.fromEntries(names.map((name) => [name, defaults[name]])) });
  return names.sort();
}

function applyDefaults(pod: JsonObject, range: KubeObject): void {
  const items = itemsOf(range, 'Container');
  const limits = Object.assign({}, ...items.map((item) => objectAt(item, 'default')));
  const requests = Object.assign({}, ...items.map((item) => objectAt(item, 'defaultRequest')));
  const notes: string[] = [];
  for (const [field, word] of [
    ['containers', 'container'],
    ['initContainers', 'init container'],
  ] as const) {
    for (const container of objectsAt(pod, 'spec', field)) {
      const resources = ensureObject(container, 'resources');
      if (resources === undefined) continue;
      const owner = `${word} ${stringAt(container, 'name')}`;
      const requested = fill(resources, 'requests', requests);
      const limited = fill(resources, 'limits', limits);
      if (requested.length > 0) notes.push(`${requested.join(', ')} request for ${owner}`);
      if (limited.length > 0) notes.push(`${limited.join(', ')} limit for ${owner}`);
    }
  }
  const metadata = notes.length > 0 ? ensureObject(pod, 'metadata') : undefined;
  if (metadata === undefined) return;
  const annotations = objectAt(metadata, 'annotations') ?? {};
  metadata.annotations = inKeyOrder({ ...annotations, [annotation]: `LimitRanger plugin set: ${notes.join('; ')}` });
}

function podViolations(pod: JsonObject, range: KubeObject): readonly string[] {
  const containers = ['containers', 'initContainers'].flatMap((field) => objectsAt(pod, 'spec', field));
  const total = podAmounts(pod);
  return [
    ...itemsOf(range, 'Container').flatMap((item) =>
      containers.flatMap((container) => violations('Container', item, amountsOf(container))),
    ),
    ...itemsOf(range, 'Pod').flatMap((item) => violations('Pod', item, total)),
  ];
}

function claimErrors(claim: JsonObject, range: KubeObject): readonly string[] {
  const amounts = amountsOf(objectAt(claim, 'spec') ?? {});
  return itemsOf(range, 'PersistentVolumeClaim').flatMap((item) => claimViolations(item, amounts));
}

function isClaim({ group, resource, subresource }: AdmissionAttributes): boolean {
  return group === '' && resource === claims.resource && subresource === '';
}

/** A new pod, or other amounts for one: nothing else changes what a pod asks for. */
function isPodOrResize(attributes: AdmissionAttributes): boolean {
  if (isPod(attributes)) return attributes.operation === 'CREATE';
  return attributes.group === '' && attributes.resource === 'pods' && attributes.subresource === 'resize';
}

/** Fills in the defaults of a namespace's ranges on new pods and refuses what is outside of them. */
export const limitRangerPlugin: AdmissionPlugin = {
  name: 'LimitRanger',
  handles: (attributes) =>
    (attributes.operation === 'CREATE' || attributes.operation === 'UPDATE') &&
    (isPodOrResize(attributes) || isClaim(attributes)),
  async admit(attributes, _context, reader) {
    const { draft } = attributes;
    if (draft === undefined || isClaim(attributes)) return;
    for (const range of await reader.list(ranges, attributes.namespace)) applyDefaults(draft, range);
  },
  async validate(attributes, _context, reader) {
    const { draft } = attributes;
    if (draft === undefined) return;
    const subject = isClaim(attributes) ? claims : podSubject;
    const errorsOf = isClaim(attributes) ? claimErrors : podViolations;
    for (const range of await reader.list(ranges, attributes.namespace)) {
      const texts = errorsOf(draft, range);
      if (texts.length === 0) continue;
      const why = texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`;
      throw forbidden(subject, stringAt(draft, 'metadata', 'name'), why);
    }
  },
};
