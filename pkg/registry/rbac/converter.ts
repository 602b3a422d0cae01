/** Bindings of rbac.authorization.k8s.io/v1alpha1, whose subjects name an API version. Source: `pkg/apis/rbac/v1alpha1/conversion.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type Converter, converterAt, each } from '#pkg/apiserver/converters/converter.ts';

const group = 'rbac.authorization.k8s.io';
const apiVersion = `${group}/v1alpha1`;

/** The converter, for bindings of a namespace and of the cluster alike. */
export const bindingConverter: Converter = converterAt(['subjects', each], {
  apiVersion,
  stored: `${group}/v1`,
  toStored: storedSubject,
  fromStored: servedSubject,
});

function storedSubject({ apiVersion: version, ...subject }: JsonObject): JsonObject {
  const apiGroup = groupOf(subject.kind, version);
  // In this version the user `*` is everyone who has proven who they are, and no more.
  if (subject.kind === 'User' && subject.name === '*') {
    return { ...subject, kind: 'Group', apiGroup, name: 'system:authenticated' };
  }
  return apiGroup === '' ? subject : { ...subject, apiGroup };
}

/** The three known kinds have groups of their own; of others it is that of the version they name. */
function groupOf(kind: unknown, version: unknown): string {
  if (kind === 'ServiceAccount') return '';
  if (kind === 'User' || kind === 'Group') return group;
  const parts = typeof version === 'string' ? version.split('/') : [];
  return parts.length === 2 ? parts[0]! : '';
}

function servedSubject({ apiGroup = '', ...subject }: JsonObject): JsonObject {
  const { kind } = subject;
  if (kind === 'ServiceAccount' && apiGroup === '') return { ...subject, apiVersion: 'v1' };
  if ((kind === 'User' || kind === 'Group') && apiGroup === group) return { ...subject, apiVersion };
  return apiGroup === '' ? subject : { ...subject, apiVersion: `${String(apiGroup)}/` };
}
