/**
 * The volume by which a pod reaches the API: its token, the cluster's authority and its namespace, where every client library looks for them.
 * Source: upstream `plugin/pkg/admission/serviceaccount` `mountServiceAccountToken`.
 */
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { nameSuffix, type Random } from '#pkg/base/random.ts';
import { tokenVolumePrefix } from '../core/token-volume.ts';
import { listAt, objectsAt, stringAt, valueAt } from '../draft.ts';

const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
/** A pod's token is asked for with this, so that the server knows it for one (`token-request.ts`). */
const expirationSeconds = 3607;

/** Whether a pod gets it: as the pod says, else as its account says, else yes. */
export function isAutomounted(spec: JsonObject, account: KubeObject): boolean {
  const [own, ofAccount] = [spec.automountServiceAccountToken, valueAt(account, 'automountServiceAccountToken')];
  if (typeof own === 'boolean') return own;
  return typeof ofAccount === 'boolean' ? ofAccount : true;
}

/** Adds the volume, and its mount to every container that has none at that place. */
export function mountApiAccess(spec: JsonObject, random: Random): void {
  const volumes = listAt(spec, 'volumes');
  const existing = objectsAt(spec, 'volumes').find((volume) => stringAt(volume, 'name').startsWith(tokenVolumePrefix));
  const name = existing === undefined ? tokenVolumePrefix + nameSuffix(random, 5) : stringAt(existing, 'name');
  let isNeeded = false;
  for (const field of ['initContainers', 'containers']) {
    for (const container of objectsAt(spec, field)) {
      const mounts = listAt(container, 'volumeMounts');
      if (mounts.some((mount) => stringAt(mount, 'mountPath') === mountPath)) continue;
      container.volumeMounts = [...mounts, { name, readOnly: true, mountPath }];
      isNeeded = true;
    }
  }
  if (existing === undefined && isNeeded) spec.volumes = [...volumes, { name, projected: apiAccess() }];
}

function apiAccess(): JsonObject {
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
