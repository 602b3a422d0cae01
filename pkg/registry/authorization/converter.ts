/** Reviews of authorization.k8s.io/v1beta1, which call the groups of a user `group`. Source: `k8s.io/api/authorization/v1beta1`. */
import { type Converter, converterAt, renameFields } from '#pkg/apiserver/converters/converter.ts';

const toStored = new Map([['group', 'groups']]);
const fromStored = new Map([['groups', 'group']]);

/** The converter. */
export const accessReviewConverter: Converter = converterAt(['spec'], {
  apiVersion: 'authorization.k8s.io/v1beta1',
  stored: 'authorization.k8s.io/v1',
  toStored: (spec) => renameFields(spec, toStored),
  fromStored: (spec) => renameFields(spec, fromStored),
});
