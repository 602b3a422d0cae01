/** Gives claims without a class the default one. Source: upstream `plugin/pkg/admission/storage/storageclass/setdefault`. */
import { persistentVolumeClaims, storageClasses } from '#pkg/api/types/refs.ts';
import { type AdmissionPlugin, about, readAll } from '#pkg/apiserver/strategy.ts';
import { defaultClass } from './default-class.ts';

const marks = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'];

/** Names the default class on new claims that name none; of several defaults the newest counts. */
export const defaultStorageClassPlugin: AdmissionPlugin = {
  name: 'DefaultStorageClass',
  handles: (attributes) => attributes.operation === 'CREATE' && about(attributes, persistentVolumeClaims) !== undefined,
  async admit(attributes, _context, reader) {
    const spec = about(attributes, persistentVolumeClaims)?.draft?.spec;
    if (spec === undefined || spec.storageClassName !== undefined) return;
    const newest = defaultClass(await readAll(reader, storageClasses), marks);
    if (newest?.metadata?.name !== undefined) spec.storageClassName = newest.metadata.name;
  },
};
