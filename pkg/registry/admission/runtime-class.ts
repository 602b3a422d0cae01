/**
 * Pods take what their runtime class says about all of its pods: what the runtime itself costs, and on which nodes it is to be found.
 * Source: upstream `plugin/pkg/admission/runtimeclass`, `pkg/util/tolerations`.
 */
import type { Pod, PodSpec, Toleration } from '#pkg/api/types/core-v1.ts';
import type { RuntimeClass, Scheduling } from '#pkg/api/types/node-v1.ts';
import { runtimeClasses } from '#pkg/api/types/refs.ts';
import type { Draft, Given } from '#pkg/apimachinery/draft.ts';
import { forbidden } from '#pkg/apimachinery/status-error.ts';
import { type AdmissionPlugin, type RegistryReader, readOne } from '#pkg/apiserver/strategy.ts';
import { type Awaitable, onceThere } from '#pkg/base/async.ts';
import { semanticallySame } from '../draft.ts';
import { aboutPod, podSubject } from './pods.ts';

function refusal(pod: Given<Pod>, why: string): Error {
  return forbidden(podSubject, pod.metadata?.name ?? '', why);
}

/** The class that a pod names, if it does. Throws Forbidden where there is none. */
function classOf(pod: Given<Pod>, reader: RegistryReader): Awaitable<RuntimeClass | undefined> {
  const name = pod.spec?.runtimeClassName ?? '';
  if (name === '') return undefined;
  return onceThere(readOne(reader, runtimeClasses, { namespace: '', name }), (found) => {
    if (found === undefined) throw refusal(pod, `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`);
    return found;
  });
}

const otherOverhead = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
const overheadOfNone = 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead';

function hasOverhead(pod: Given<Pod>): boolean {
  return Object.keys(pod.spec?.overhead ?? {}).length > 0;
}

function sameOverhead(pod: Given<Pod>, found: RuntimeClass): boolean {
  return semanticallySame(found.overhead?.podFixed, pod.spec?.overhead);
}

function setOverhead(pod: Given<Pod>, spec: Draft<PodSpec>, found: RuntimeClass): void {
  if (!found.overhead) return;
  if (hasOverhead(pod) && !sameOverhead(pod, found)) throw refusal(pod, otherOverhead);
  const overhead = found.overhead.podFixed ?? {};
  if (Object.keys(overhead).length > 0) spec.overhead = { ...overhead };
}

function setScheduling(pod: Given<Pod>, spec: Draft<PodSpec>, scheduling: Scheduling): void {
  const selector = { ...spec.nodeSelector };
  for (const [key, value] of Object.entries(scheduling.nodeSelector ?? {})) {
    const own = Object.hasOwn(selector, key) ? selector[key] : value;
    if (own !== value) {
      const theirs = `runtimeClass.scheduling.nodeSelector[${key}] = ${value}`;
      throw refusal(pod, `conflict: ${theirs}; pod.spec.nodeSelector[${key}] = ${own}`);
    }
    selector[key] = value;
  }
  if (Object.keys(selector).length > 0) spec.nodeSelector = selector;
  const tolerations = mergeTolerations([...(spec.tolerations ?? []), ...(scheduling.tolerations ?? [])]);
  if (tolerations.length > 0) spec.tolerations = tolerations;
}

/** Without those that another one of the list makes superfluous; of equal ones the first stays. */
function mergeTolerations(all: readonly Given<Toleration>[]): Draft<Toleration>[] {
  const merged: Draft<Toleration>[] = [];
  for (const [index, one] of all.entries()) {
    const isCovered =
      merged.some((other) => covers(other, one)) ||
      all.slice(index + 1).some((other) => !semanticallySame(one, other) && covers(other, one));
    if (!isCovered) merged.push(structuredClone(one));
  }
  return merged;
}

/** Whether `wide` tolerates everything that `one` does. */
function covers(wide: Given<Toleration>, one: Given<Toleration>): boolean {
  if (semanticallySame(wide, one)) return true;
  const takesEveryKey = !wide.key && wide.operator === 'Exists';
  if ((wide.key ?? '') !== (one.key ?? '') && !takesEveryKey) return false;
  if (wide.effect && wide.effect !== (one.effect ?? '')) return false;
  const { tolerationSeconds: limit } = wide;
  if (wide.effect === 'NoExecute' && limit !== undefined) {
    if (one.tolerationSeconds === undefined || one.tolerationSeconds > limit) return false;
  }
  if (wide.operator === 'Exists') return true;
  const isEqual = wide.operator === undefined || wide.operator === 'Equal';
  return isEqual && one.operator === 'Equal' && (one.value ?? '') === (wide.value ?? '');
}

/** Adds a runtime class's overhead, node selector and tolerations to new pods; refuses those that name a class which does not exist. */
export const runtimeClassPlugin: AdmissionPlugin = {
  name: 'RuntimeClass',
  handles: (attributes) => attributes.operation === 'CREATE' && aboutPod(attributes) !== undefined,
  admit(attributes, _context, reader) {
    const draft = aboutPod(attributes)?.draft;
    const spec = draft?.spec;
    if (draft === undefined || spec === undefined) return;
    return onceThere(classOf(draft, reader), (found) => {
      if (found === undefined) return;
      setOverhead(draft, spec, found);
      if (found.scheduling) setScheduling(draft, spec, found.scheduling);
    });
  },
  validate(attributes, _context, reader) {
    const draft = aboutPod(attributes)?.draft;
    if (draft === undefined) return;
    return onceThere(classOf(draft, reader), (found) => {
      if (found?.overhead) {
        if (!sameOverhead(draft, found)) throw refusal(draft, otherOverhead);
      } else if (hasOverhead(draft)) throw refusal(draft, overheadOfNone);
    });
  },
};
