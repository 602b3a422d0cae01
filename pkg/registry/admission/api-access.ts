/**
 * The volume by which a pod reaches the API: its token, the cluster's authority and its namespace, where every client library looks for them.
 * Source: upstream `plugin/pkg/admission/serviceaccount` `mountServiceAccountToken`.
 */
import type { PodSpec, ServiceAccount, Volume } from '#pkg/api/types/core-v1.ts';
import { type Draft, fields, type Given } from '#pkg/apimachinery/draft.ts';
import { nameSuffix, type Random } from '#pkg/base/random.ts';
import { tokenVolumePrefix } from '../core/token-volume.ts';

const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
/** A pod's token is asked for with this, so that the server knows it for one (`token-request.ts`). */
const expirationSeconds = 3607;

/** Whether a pod gets it: as the pod says, else as its account says, else yes. */
export function isAutomounted(spec: Given<PodSpec>, account: ServiceAccount): boolean {
  return spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true;
}

/** Adds the volume, and its mount to every container that has none at that place. */
export function mountApiAccess(spec: Draft<PodSpec>, random: Random): void {
  const volumes = spec.volumes ?? [];
  const existing = volumes.find((volume) => volume.name?.startsWith(tokenVolumePrefix));
  const name = existing?.name ?? tokenVolumePrefix + nameSuffix(random, 5);
  let isNeeded = false;
  for (const field of fields('initContainers', 'containers')) {
    for (const container of spec[field] ?? []) {
      const mounts = container.volumeMounts ?? [];
      if (mounts.some((mount) => mount.mountPath === mountPath)) continue;
      container.volumeMounts = [...mounts, { name, readOnly: true, mountPath }];
      isNeeded = true;
    }
  }
  if (existing === undefined && isNeeded) spec.volumes = [...volumes, { name, projected: apiAccess() }];
}

function apiAccess(): Draft<Volume>['projected'] {
  const fieldRef = { apiVersion: 'v1', fieldPath: 'metadata.namespace' };
  return {
    sources: [
      { serviceAccountToken: { expirationSeconds, path: 'token' } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      { downwardAPI: { items: [{ path: 'namespace', fieldRef }] } },
    ],
    defaultMode: 0o644,
  };
}
