/** Where the pod spec of an object is, and a change of it as a patch of the object. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList, digText } from './api.ts';
import type { Target } from './targets.ts';

/** Where the pod spec of each kind is that has one. */
const podSpecPaths: Readonly<Record<string, readonly string[]>> = {
  Pod: ['spec'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template', 'spec'],
  DaemonSet: ['spec', 'template', 'spec'],
  Deployment: ['spec', 'template', 'spec'],
  Job: ['spec', 'template', 'spec'],
  ReplicaSet: ['spec', 'template', 'spec'],
  ReplicationController: ['spec', 'template', 'spec'],
  StatefulSet: ['spec', 'template', 'spec'],
};

/** The path of fields to the pod spec. Throws `UserError` for a kind without one. */
export function podSpecPath({ mapping, name }: Target): readonly string[] {
  const path = podSpecPaths[mapping.kind];
  if (path !== undefined) return path;
  const what = 'the object is not a pod or does not have a pod template';
  throw new UserError(`error: ${mapping.resource}/${name} ${what}: *${mapping.version}.${mapping.kind}`);
}

/** An object that holds `value` at the end of a path of fields. */
export function nested(path: readonly string[], value: JsonObject): JsonObject {
  return path.reduceRight<JsonObject>((inner, step) => ({ [step]: inner }), value);
}

/** The containers of a pod spec, those of `field`, whose names `pattern` stands for. */
export function containersOf(
  object: JsonObject,
  path: readonly string[],
  { field, pattern }: { readonly field: 'containers' | 'initContainers'; readonly pattern: string },
): readonly JsonObject[] {
  const source = pattern.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  const matches = new RegExp(`^${source}$`);
  return digList(object, ...path, field).filter((container) => matches.test(digText(container, 'name')));
}
