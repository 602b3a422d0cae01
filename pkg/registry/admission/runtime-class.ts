/**
 * Pods take what their runtime class says about all of its pods: what the runtime itself costs, and on which nodes it is to be found.
 * Source: upstream `plugin/pkg/admission/runtimeclass`, `pkg/util/tolerations`.
 */
import type { Toleration } from '#pkg/api/types/core-v1.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { forbidden } from '#pkg/apimachinery/status-error.ts';
import type { AdmissionPlugin, RegistryReader } from '#pkg/apiserver/strategy.ts';
import { listAt, objectAt, semanticallySame, stringAt, stringMapAt } from '../draft.ts';
import { isPod, podSubject } from './pods.ts';

const classes = { group: 'node.k8s.io', resource: 'runtimeclasses' };

function refusal(pod: JsonObject, why: string): Error {
  return forbidden(podSubject, stringAt(pod, 'metadata', 'name'), why);
}

/** The class that a pod names, if it does. Throws Forbidden where there is none. */
async function classOf(pod: JsonObject, reader: RegistryReader): Promise<KubeObject | undefined> {
  const name = stringAt(pod, 'spec', 'runtimeClassName');
  if (name === '') return undefined;
  const found = await reader.get(classes, '', name);
  if (found === undefined) throw refusal(pod, `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`);
  return found;
}

const otherOverhead = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
const overheadOfNone = 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead';

function hasOverhead(pod: JsonObject): boolean {
  return Object.keys(stringMapAt(pod, 'spec', 'overhead')).length > 0;
}

function sameOverhead(pod: JsonObject, found: KubeObject): boolean {
  return semanticallySame(stringMapAt(found, 'overhead', 'podFixed'), stringMapAt(pod, 'spec', 'overhead'));
}

function setOverhead(pod: JsonObject, spec: JsonObject, found: KubeObject): void {
  if (objectAt(found, 'overhead') === undefined) return;
  if (hasOverhead(pod) && !sameOverhead(pod, found)) throw refusal(pod, otherOverhead);
  const overhead = stringMapAt(found, 'overhead', 'podFixed');
  if (Object.keys(overhead).length > 0) spec.overhead = { ...overhead };
}

function setScheduling(pod: JsonObject, spec: JsonObject, found: KubeObject): void {
  const selector = { ...stringMapAt(spec, 'nodeSelector') };
  for (const [key, value] of Object.entries(stringMapAt(found, 'scheduling', 'nodeSelector'))) {
    const own = Object.hasOwn(selector, key) ? selector[key] : value;
    if (own !== value) {
      const theirs = `runtimeClass.scheduling.nodeSelector[${key}] = ${value}`;
      throw refusal(pod, `conflict: ${theirs}; pod.spec.nodeSelector[${key}] = ${own}`);
    }
    selector[key] = value;
  }
  if (Object.keys(selector).length > 0) spec.nodeSelector = selector;
  const more = listAt(found, 'scheduling', 'tolerations') as readonly Toleration[];
  const tolerations = mergeTolerations([...(listAt(spec, 'tolerations') as readonly Toleration[]), ...more]);
  if (tolerations.length > 0) spec.tolerations = tolerations;
}

/** Without those that another one of the list makes superfluous; of equal ones the first stays. */
function mergeTolerations(all: readonly Toleration[]): readonly Toleration[] {
  const merged: Toleration[] = [];
  for (const [index, one] of all.entries()) {
    const isCovered =
      merged.some((other) => covers(other, one)) ||
      all.slice(index + 1).some((other) => !semanticallySame(one, other) && covers(other, one));
    if (!isCovered) merged.push(structuredClone(one));
  }
  return merged;
}

/** Whether `wide` tolerates everything that `one` does. */
function covers(wide: Toleration, one: Toleration): boolean {
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
  handles: (attributes) => isPod(attributes) && attributes.operation === 'CREATE',
  async admit({ draft }, _context, reader) {
    const spec = objectAt(draft, 'spec');
    if (draft === undefined || spec === undefined) return;
    const found = await classOf(draft, reader);
    if (found === undefined) return;
    setOverhead(draft, spec, found);
    if (objectAt(found, 'scheduling') !== undefined) setScheduling(draft, spec, found);
  },
  async validate({ draft }, _context, reader) {
    if (draft === undefined) return;
    const found = await classOf(draft, reader);
    if (found !== undefined && objectAt(found, 'overhead') !== undefined) {
      if (!sameOverhead(draft, found)) throw refusal(draft, otherOverhead);
    } else if (hasOverhead(draft)) throw refusal(draft, overheadOfNone);
  },
};
