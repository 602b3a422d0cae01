/**
 * Gives new claims and volumes the finalizers by which they stay until nobody uses them; the protection controllers take them off.
 * Source: upstream `plugin/pkg/admission/storage/storageobjectinuseprotection`.
 */
import { persistentVolumeClaims, persistentVolumes } from '#pkg/api/types/refs.ts';
import type { AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import { draftOf } from './typed-draft.ts';

const finalizers: Readonly<Record<string, string>> = {
  [persistentVolumeClaims.resource]: 'kubernetes.io/pvc-protection',
  [persistentVolumes.resource]: 'kubernetes.io/pv-protection',
};

/** The plugin `StorageObjectInUseProtection`. */
export const storageObjectInUsePlugin: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  handles: ({ group, resource, subresource, operation }) =>
    group === '' && subresource === '' && operation === 'CREATE' && Object.hasOwn(finalizers, resource),
  admit({ draft, resource }) {
    const metadata = draftOf(persistentVolumes, draft)?.metadata;
    const finalizer = finalizers[resource];
    if (metadata === undefined || finalizer === undefined) return;
    const own = metadata.finalizers ?? [];
    if (!own.includes(finalizer)) metadata.finalizers = [...own, finalizer];
  },
};
