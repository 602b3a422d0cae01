/** Bindings of rbac.authorization.k8s.io/v1alpha1, whose subjects name an API version. Source: `pkg/apis/rbac/v1alpha1/conversion.go`. */
import type { Subject } from '#pkg/api/types/rbac-v1.ts';
import type { Subject as ServedSubject } from '#pkg/api/types/rbac-v1alpha1.ts';
import { roleBindings, roleBindingsV1alpha1 } from '#pkg/api/types/refs.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { converterOf } from '#pkg/apiserver/converters/converter.ts';

const group = 'rbac.authorization.k8s.io';
const apiVersion = `${group}/v1alpha1`;

/** The converter, for bindings of a namespace and of the cluster alike. */
export const bindingConverter = converterOf(roleBindingsV1alpha1, roleBindings, {
  toStored: ({ subjects, ...rest }) => ({ ...rest, ...(subjects ? { subjects: subjects.map(storedSubject) } : {}) }),
  fromStored: ({ subjects, ...rest }) => ({ ...rest, ...(subjects ? { subjects: subjects.map(servedSubject) } : {}) }),
});

function storedSubject({ apiVersion: version, ...subject }: Given<ServedSubject>): Given<Subject> {
  const apiGroup = groupOf(subject.kind, version);
  // In this version the user `*` is everyone who has proven who they are, and no more.
  if (subject.kind === 'User' && subject.name === '*') {
    return { ...subject, kind: 'Group', apiGroup, name: 'system:authenticated' };
  }
  return apiGroup === '' ? subject : { ...subject, apiGroup };
}

/** The three known kinds have groups of their own; of others it is that of the version they name. */
function groupOf(kind: string | undefined, version: string | undefined): string {
  if (kind === 'ServiceAccount') return '';
  if (kind === 'User' || kind === 'Group') return group;
  const [named = '', ...rest] = version?.split('/') ?? [];
  return rest.length === 1 ? named : '';
}

function servedSubject({ apiGroup = '', ...subject }: Given<Subject>): Given<ServedSubject> {
  const { kind } = subject;
  if (kind === 'ServiceAccount' && apiGroup === '') return { ...subject, apiVersion: 'v1' };
  if ((kind === 'User' || kind === 'Group') && apiGroup === group) return { ...subject, apiVersion };
  return apiGroup === '' ? subject : { ...subject, apiVersion: `${apiGroup}/` };
}
