/** Lets claims grow only where their class says that its volumes can. Source: upstream `plugin/pkg/admission/storage/persistentvolume/resize`. */
import { persistentVolumeClaims, storageClasses } from '#pkg/api/types/refs.ts';
import { forbidden } from '#pkg/apimachinery/status-error.ts';
import { type AdmissionPlugin, readAll } from '#pkg/apiserver/strategy.ts';
import { compareQuantities } from '../quantities.ts';
import { draftOf } from './typed-draft.ts';

/** The plugin `PersistentVolumeClaimResize`. */
export const claimResizePlugin: AdmissionPlugin = {
  name: 'PersistentVolumeClaimResize',
  handles: ({ group, resource, subresource, operation }) =>
    group === '' && resource === persistentVolumeClaims.resource && subresource === '' && operation === 'UPDATE',
  async validate({ draft, old, name }, _context, reader) {
    const spec = draftOf(persistentVolumeClaims, draft)?.spec;
    const before = draftOf(persistentVolumeClaims, old === undefined ? undefined : { ...old })?.spec;
    const [now, then] = [spec?.resources?.requests?.storage, before?.resources?.requests?.storage];
    if (compareQuantities(now, then) <= 0) return;
    const refuse = (why: string): Error => forbidden(persistentVolumeClaims, name, why);
    const className = spec?.storageClassName ?? '';
    const classes = className === '' ? [] : await readAll(reader, storageClasses);
    const allows = classes.find(({ metadata }) => metadata?.name === className)?.allowVolumeExpansion;
    if (allows === true) return;
    throw refuse(
      'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
    );
  },
};
