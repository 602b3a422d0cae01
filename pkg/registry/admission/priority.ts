/**
 * Turns the name of a priority class into a number on the pod, which is what everything else looks at, and keeps the default class
 * the only one. Source: upstream `plugin/pkg/admission/priority`.
 */

import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { forbidden } from '#pkg/apimachinery/status-error.ts';
import type { AdmissionAttributes, AdmissionPlugin, RegistryReader } from '#pkg/apiserver/strategy.ts';
import { isTrueAt, numberAt, objectAt, stringAt, valueAt } from '../draft.ts';
import { isPod, podSubject } from './pods.ts';

const classes = { group: 'scheduling.k8s.io', resource: 'priorityclasses' };
const defaultPolicy = 'PreemptLowerPriority';

/** The default class; when several claim to be, the lowest. */
async function defaultClass(reader: RegistryReader): Promise<KubeObject | undefined> {
  const defaults = (await reader.list(classes)).filter((candidate) => isTrueAt(candidate, 'globalDefault'));
  return defaults.sort((a, b) => (numberAt(a, 'value') ?? 0) - (numberAt(b, 'value') ?? 0))[0];
}

async function admitPod(pod: JsonObject, reader: RegistryReader): Promise<void> {
  const spec = objectAt(pod, 'spec');
  if (spec === undefined) return;
  const refuse = (why: string): Error => forbidden(podSubject, stringAt(pod, 'metadata', 'name'), why);
  const named = stringAt(spec, 'priorityClassName');
  const found = named === '' ? await defaultClass(reader) : await reader.get(classes, '', named);
  if (named !== '' && found === undefined) throw refuse(`no PriorityClass with name ${named} was found`);
  const priority = numberAt(found, 'value') ?? 0;
  const policy = stringAt(found, 'preemptionPolicy') || defaultPolicy;
  const given = numberAt(spec, 'priority');
  const computed = 'priority admission controller computed';
  if (given !== undefined && given !== priority) {
    const what = `the integer value of priority (${given}) must not be provided in pod spec`;
    throw refuse(`${what}; ${computed} ${priority} from the given PriorityClass name`);
  }
  const givenPolicy = stringAt(spec, 'preemptionPolicy');
  if (givenPolicy !== '' && givenPolicy !== policy) {
    const what = `the string value of PreemptionPolicy (${givenPolicy}) must not be provided in pod spec`;
    throw refuse(`${what}; ${computed} ${policy} from the given PriorityClass name`);
  }
  if (found !== undefined) spec.priorityClassName = found.metadata?.name;
  spec.priority = priority;
  spec.preemptionPolicy = policy;
}

/** An update that leaves them out keeps what was worked out before. */
function keepPriority(pod: JsonObject, old: KubeObject | undefined): void {
  const spec = objectAt(pod, 'spec');
  // What was stored has them, and is shared.
  if (spec === undefined || spec === valueAt(old, 'spec')) return;
  for (const field of ['priority', 'preemptionPolicy']) spec[field] ??= valueAt(old, 'spec', field);
  for (const field of ['priority', 'preemptionPolicy']) if (spec[field] === undefined) delete spec[field];
}

function isClass({ group, resource, subresource }: AdmissionAttributes): boolean {
  return group === classes.group && resource === classes.resource && subresource === '';
}

/** Resolves `priorityClassName` of new pods, and refuses a second default class. */
export const priorityPlugin: AdmissionPlugin = {
  name: 'Priority',
  handles: (attributes) =>
    (isPod(attributes) || isClass(attributes)) &&
    (attributes.operation === 'CREATE' || attributes.operation === 'UPDATE'),
  async admit(attributes, _context, reader) {
    const { draft, old, operation } = attributes;
    if (draft === undefined || !isPod(attributes)) return;
    if (operation === 'CREATE') await admitPod(draft, reader);
    else keepPriority(draft, old);
  },
  async validate(attributes, _context, reader) {
    const { draft, name } = attributes;
    if (draft === undefined || !isClass(attributes) || !isTrueAt(draft, 'globalDefault')) return;
    const present = (await defaultClass(reader))?.metadata?.name;
    if (present === undefined || present === name) return;
    const why = `PriorityClass ${present} is already marked as default. Only one default can exist`;
    throw forbidden(classes, name, why);
  },
};
