/** What plugins for pods share. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import type { ErrorSubject } from '#pkg/apimachinery/status-error.ts';
import { type AdmissionAttributes, about } from '#pkg/apiserver/strategy.ts';

/** What errors about pods name. */
export const podSubject: ErrorSubject = { group: '', resource: 'pods' };

/** A request that is about a pod itself, not one of its subresources, as one; undefined for others. */
export function aboutPod(attributes: AdmissionAttributes): AdmissionAttributes<Pod> | undefined {
  return about(attributes, pods);
}
