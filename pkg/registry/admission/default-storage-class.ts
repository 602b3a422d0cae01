/** Gives claims without a class the default one. Source: upstream `plugin/pkg/admission/storage/storageclass/setdefault`. */
import type { AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import { objectAt } from '../draft.ts';
import { defaultClass } from './default-class.ts';

const classes = { group: 'storage.k8s.io', resource: 'storageclasses' };
const marks = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'];

/** Names the default class on new claims that name none; of several defaults the newest counts. */
export const defaultStorageClassPlugin: AdmissionPlugin = {
  name: 'DefaultStorageClass',
  handles: ({ group, resource, subresource, operation }) =>
    group === '' && resource === 'persistentvolumeclaims' && subresource === '' && operation === 'CREATE',
  async admit({ draft }, _context, reader) {
    const spec = objectAt(draft, 'spec');
    if (spec === undefined || spec.storageClassName !== undefined) return;
    const newest = defaultClass(await reader.list(classes), marks);
    if (newest !== undefined) spec.storageClassName = newest.metadata?.name;
  },
};
