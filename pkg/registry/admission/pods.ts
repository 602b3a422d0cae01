/** What plugins for pods share. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { ErrorSubject } from '#pkg/apimachinery/status-error.ts';
import type { AdmissionAttributes } from '#pkg/apiserver/strategy.ts';
import { stringMapAt } from '../draft.ts';

/** What errors about pods name. */
export const podSubject: ErrorSubject = { group: '', resource: 'pods' };

/** Whether a request is about a pod itself, not one of its subresources. */
export function isPod({ group, resource, subresource }: AdmissionAttributes): boolean {
  return group === '' && resource === 'pods' && subresource === '';
}

/** Whether a pod only shows what a node runs from a file of its own. */
export function isMirrorPod(pod: JsonObject): boolean {
  return Object.hasOwn(stringMapAt(pod, 'metadata', 'annotations'), 'kubernetes.io/config.mirror');
}
