/**
 * Gives containers the requests and limits that their namespace's LimitRanges set by default, and refuses those beyond the ranges.
 * Limits of type `Container` and `Pod`, and of claims, on create. Not done: ratios of limit to request.
 * Source: upstream `plugin/pkg/admission/limitranger`.
 */
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { addQuantity, formatQuantity, type Quantity, zeroQuantity } from '#pkg/apimachinery/quantity.ts';
import { forbidden } from '#pkg/apimachinery/status-error.ts';
import type { AdmissionAttributes, AdmissionPlugin, RegistryReader } from '#pkg/apiserver/strategy.ts';
import { ensureObject, objectAt, objectsAt, stringAt } from '../draft.ts';
import { compareQuantities, quantityAt } from '../quantities.ts';
import { isPod, podSubject } from './pods.ts';

const ranges = { group: '', resource: 'limitranges' };
const claims = { group: '', resource: 'persistentvolumeclaims' };

interface Amounts {
  readonly requests: Readonly<Record<string, unknown>>;
  readonly limits: Readonly<Record<string, unknown>>;
}

function limitsOf(found: readonly KubeObject[], type: string): readonly JsonObject[] {
  return found.flatMap((range) => objectsAt(range, 'spec', 'limits').filter((limit) => limit.type === type));
}

function amountsOf(owner: JsonObject): Amounts {
  const resources = objectAt(owner, 'resources') ?? objectAt(owner, 'spec', 'resources');
  return { requests: objectAt(resources, 'requests') ?? {}, limits: objectAt(resources, 'limits') ?? {} };
}

function fill(resources: JsonObject, field: string, defaults: JsonObject | undefined): readonly string[] {
  if (defaults === undefined || Object.keys(defaults).length === 0) return [];
  const amounts = ensureObject(resources, field);
  if (amounts === undefined) return [];
  const names = Object.keys(defaults).filter((name) => !Object.hasOwn(amounts, name));
  for (const name of names) amounts[name] = defaults[name];
  return names;
}

function applyDefaults(pod: JsonObject, found: readonly KubeObject[]): void {
  for (const limit of limitsOf(found, 'Container')) {
    for (const field of ['containers', 'initContainers']) {
      for (const container of objectsAt(pod, 'spec', field)) {
        const resources = ensureObject(container, 'resources');
        if (resources === undefined) continue;
        fill(resources, 'limits', objectAt(limit, 'default'));
        fill(resources, 'requests', objectAt(limit, 'defaultRequest'));
      }
    }
  }
}

/** What is beyond one range, in upstream's words. */
function violations(type: string, limit: JsonObject, { requests, limits }: Amounts): string[] {
  const texts: string[] = [];
  for (const [name, min] of Object.entries(objectAt(limit, 'min') ?? {})) {
    const rule = `minimum ${name} usage per ${type} is ${String(min)}`;
    if (!Object.hasOwn(requests, name)) texts.push(`${rule}.  No request is specified`);
    else if (compareQuantities(requests[name], min) < 0)
      texts.push(`${rule}, but request is ${String(requests[name])}`);
  }
  for (const [name, max] of Object.entries(objectAt(limit, 'max') ?? {})) {
    const rule = `maximum ${name} usage per ${type} is ${String(max)}`;
    if (type === 'PersistentVolumeClaim') {
      if (compareQuantities(requests[name], max) > 0) texts.push(`${rule}, but request is ${String(requests[name])}`);
    } else if (!Object.hasOwn(limits, name)) texts.push(`${rule}.  No limit is specified`);
    else if (compareQuantities(limits[name], max) > 0) texts.push(`${rule}, but limit is ${String(limits[name])}`);
  }
  return texts;
}

function sum(containers: readonly JsonObject[], kind: keyof Amounts): Record<string, string> {
  const totals = new Map<string, Quantity>();
  for (const container of containers) {
    for (const [name, amount] of Object.entries(amountsOf(container)[kind])) {
      totals.set(name, addQuantity(totals.get(name) ?? zeroQuantity, quantityAt(amount)));
    }
  }
  return Object.fromEntries([...totals].map(([name, total]) => [name, formatQuantity(total)]));
}

function podViolations(pod: JsonObject, found: readonly KubeObject[]): string[] {
  const containers = objectsAt(pod, 'spec', 'containers');
  const all = [...containers, ...objectsAt(pod, 'spec', 'initContainers')];
  const total: Amounts = { requests: sum(containers, 'requests'), limits: sum(containers, 'limits') };
  return [
    ...limitsOf(found, 'Container').flatMap((limit) =>
      all.flatMap((container) => violations('Container', limit, amountsOf(container))),
    ),
    ...limitsOf(found, 'Pod').flatMap((limit) => violations('Pod', limit, total)),
  ];
}

async function rangesOf({ namespace }: AdmissionAttributes, reader: RegistryReader): Promise<readonly KubeObject[]> {
  return reader.list(ranges, namespace);
}

/** Fills in the defaults of a namespace's ranges on new pods and refuses what is outside of them. */
export const limitRangerPlugin: AdmissionPlugin = {
  name: 'LimitRanger',
  handles: (attributes) =>
    attributes.operation === 'CREATE' &&
    attributes.subresource === '' &&
    (isPod(attributes) || (attributes.group === '' && attributes.resource === claims.resource)),
  async admit(attributes, _context, reader) {
    const { draft } = attributes;
    if (draft !== undefined && isPod(attributes)) applyDefaults(draft, await rangesOf(attributes, reader));
  },
  async validate(attributes, _context, reader) {
    const { draft } = attributes;
    if (draft === undefined) return;
    const found = await rangesOf(attributes, reader);
    if (found.length === 0) return;
    const isAboutPod = isPod(attributes);
    const texts = isAboutPod
      ? podViolations(draft, found)
      : limitsOf(found, 'PersistentVolumeClaim').flatMap((limit) =>
          violations('PersistentVolumeClaim', limit, amountsOf(draft)),
        );
    if (texts.length === 0) return;
    const why = texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`;
    throw forbidden(isAboutPod ? podSubject : claims, stringAt(draft, 'metadata', 'name'), why);
  },
};
