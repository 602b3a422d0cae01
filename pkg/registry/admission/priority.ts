/**
 * Turns the name of a priority class into a number on the pod, which is what everything else looks at, and keeps the default class
 * the only one. Source: upstream `plugin/pkg/admission/priority`.
 */

import type { Pod, PodSpec } from '#pkg/api/types/core-v1.ts';
import { priorityClasses } from '#pkg/api/types/refs.ts';
import type { PriorityClass } from '#pkg/api/types/scheduling-v1.ts';
import { type Draft, fields, type Given } from '#pkg/apimachinery/draft.ts';
import { forbidden } from '#pkg/apimachinery/status-error.ts';
import { type AdmissionPlugin, about, type RegistryReader, readAll, readOne } from '#pkg/apiserver/strategy.ts';
import { type Awaitable, onceThere } from '#pkg/base/async.ts';
import { restoreField } from '../draft.ts';
import { aboutPod, podSubject } from './pods.ts';

const defaultPolicy = 'PreemptLowerPriority';

/** The default class; when several claim to be, the lowest. */
function defaultClass(reader: RegistryReader): Awaitable<PriorityClass | undefined> {
  return onceThere(readAll(reader, priorityClasses), (classes) => {
    let found: PriorityClass | undefined;
    for (const one of classes)
      if (one.globalDefault === true && (found === undefined || (one.value ?? 0) < (found.value ?? 0))) found = one;
    return found;
  });
}

function admitPod(pod: Draft<Pod>, reader: RegistryReader): Promise<void> | void {
  const { spec } = pod;
  if (spec === undefined) return;
  const name = spec.priorityClassName ?? '';
  const wanted = name === '' ? defaultClass(reader) : readOne(reader, priorityClasses, { namespace: '', name });
  return onceThere(wanted, (found) => giveClass(pod, spec, found));
}

function giveClass(pod: Draft<Pod>, spec: Draft<PodSpec>, found: PriorityClass | undefined): void {
  const refuse = (why: string): Error => forbidden(podSubject, pod.metadata?.name ?? '', why);
  const named = spec.priorityClassName ?? '';
  if (named !== '' && found === undefined) throw refuse(`no PriorityClass with name ${named} was found`);
  const priority = found?.value ?? 0;
  const policy = found?.preemptionPolicy || defaultPolicy;
  const given = spec.priority;
  const computed = 'priority admission controller computed';
  if (given !== undefined && given !== priority) {
    const what = `the integer value of priority (${given}) must not be provided in pod spec`;
    throw refuse(`${what}; ${computed} ${priority} from the given PriorityClass name`);
  }
  const givenPolicy = spec.preemptionPolicy ?? '';
  if (givenPolicy !== '' && givenPolicy !== policy) {
    const what = `the string value of PreemptionPolicy (${givenPolicy}) must not be provided in pod spec`;
    throw refuse(`${what}; ${computed} ${policy} from the given PriorityClass name`);
  }
  if (found !== undefined) spec.priorityClassName = found.metadata?.name ?? '';
  spec.priority = priority;
  spec.preemptionPolicy = policy;
}

/** An update that leaves them out keeps what was worked out before. */
function keepPriority({ spec }: Draft<Pod>, old: Given<Pod> | undefined): void {
  // What was stored has them, and is shared.
  if (spec === undefined || spec === old?.spec) return;
  for (const field of fields('priority', 'preemptionPolicy')) {
    if (spec[field] === undefined || spec[field] === null) restoreField(spec, old?.spec ?? {}, field);
  }
}

/** Resolves `priorityClassName` of new pods, and refuses a second default class. */
export const priorityPlugin: AdmissionPlugin = {
  name: 'Priority',
  handles: (attributes) =>
    (attributes.operation === 'CREATE' || attributes.operation === 'UPDATE') &&
    (aboutPod(attributes) !== undefined || about(attributes, priorityClasses) !== undefined),
  admit(attributes, _context, reader) {
    const { draft, old, operation } = aboutPod(attributes) ?? {};
    if (draft === undefined) return;
    if (operation === 'CREATE') return admitPod(draft, reader);
    keepPriority(draft, old);
  },
  validate(attributes, _context, reader) {
    const { draft, name = '' } = about(attributes, priorityClasses) ?? {};
    if (draft?.globalDefault !== true) return;
    return onceThere(defaultClass(reader), (found) => {
      const present = found?.metadata?.name;
      if (present === undefined || present === name) return;
      const why = `PriorityClass ${present} is already marked as default. Only one default can exist`;
      throw forbidden(priorityClasses, name, why);
    });
  },
};
