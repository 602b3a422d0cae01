/** What a kustomization does to all of its objects: names, namespaces, labels, annotations, copies and images. Source: kustomize `api/filters`. */
import { isObject } from '#pkg/apimachinery/json.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { changeAt } from './field-paths.ts';
import {
  annotationFields,
  type FieldSpec,
  fixedNames,
  imageFields,
  namespaceFields,
  ownLabels,
  replicaFields,
  selectorLabels,
  templateLabels,
} from './field-specs.ts';
import { flag, type Mapping, mapAt, mapsAt, textAt } from './kustomization.ts';
import { idOf, idsOf, isClusterScoped, isOfKind, keepId, metadataOf, type Resource } from './resource.ts';

/** Changes the fields of a list in the objects whose kinds they are of. */
function changeFields(
  resources: readonly Resource[],
  fields: readonly FieldSpec[],
  change: (old: unknown) => unknown,
): void {
  for (const { object } of resources) {
    const id = idOf(object);
    for (const field of fields)
      if (isOfKind(id, field)) changeAt(object, field.path, { creates: field.creates === true }, change);
  }
}

/** Puts everything that has one into a namespace. */
export function setNamespace(resources: readonly Resource[], namespace: string): void {
  for (const resource of resources) {
    const { object } = resource;
    const id = idOf(object);
    keepId(resource);
    if (id.kind === 'Namespace' && id.group === '') metadataOf(object).name = namespace;
    else if (!isClusterScoped(id)) metadataOf(object).namespace = namespace;
    if (!id.kind.endsWith('RoleBinding') || !Array.isArray(object.subjects)) continue;
    object.subjects = object.subjects.map((subject: unknown) =>
      isObject(subject) && subject.name === 'default' ? { ...subject, namespace } : subject,
    );
  }
  changeFields(resources, namespaceFields, () => namespace);
}

/** Puts texts before and after names. */
export function affixNames(resources: readonly Resource[], prefix: string, suffix: string): void {
  if (prefix === '' && suffix === '') return;
  for (const resource of resources) {
    const [first = idOf(resource.object)] = resource.previous;
    if (fixedNames.some((kind) => isOfKind(first, kind))) continue;
    keepId(resource);
    resource.affixes.push(`${prefix}\n${suffix}`);
    metadataOf(resource.object).name = `${prefix}${idOf(resource.object).name}${suffix}`;
  }
}

/** Adds `commonLabels` and `labels`. */
export function addLabels(resources: readonly Resource[], kustomization: Mapping): void {
  for (const entry of mapsAt(kustomization, 'labels')) {
    const isEverywhere = flag(entry, 'includeSelectors');
    const fields = [
      ...ownLabels,
      ...(isEverywhere || flag(entry, 'includeTemplates') ? templateLabels : []),
      ...(isEverywhere ? selectorLabels : []),
      ...fieldsOf(entry),
    ];
    addPairs(resources, mapAt(entry, 'pairs'), fields);
  }
  addPairs(resources, mapAt(kustomization, 'commonLabels'), [...ownLabels, ...templateLabels, ...selectorLabels]);
}

/** Fields that a kustomization names itself. */
function fieldsOf(entry: Mapping): readonly FieldSpec[] {
  return mapsAt(entry, 'fields').map((field) => ({
    path: textAt(field, 'path'),
    group: textAt(field, 'group'),
    version: textAt(field, 'version'),
    kind: textAt(field, 'kind'),
    creates: flag(field, 'create'),
  }));
}

/** Adds `commonAnnotations`. */
export function addAnnotations(resources: readonly Resource[], kustomization: Mapping): void {
  addPairs(resources, mapAt(kustomization, 'commonAnnotations'), annotationFields);
}

function addPairs(resources: readonly Resource[], pairs: Mapping, fields: readonly FieldSpec[]): void {
  if (Object.keys(pairs).length === 0) return;
  const texts = Object.fromEntries(Object.keys(pairs).map((key) => [key, textAt(pairs, key)]));
  changeFields(resources, fields, (old) => ({ ...(isObject(old) ? old : {}), ...texts }));
}

/** Sets how many copies there are of what has this name. */
export function setReplicas(resources: readonly Resource[], entry: Mapping): void {
  const name = textAt(entry, 'name');
  const named = resources.filter((resource) =>
    idsOf(resource).some((id) => id.name === name && replicaFields.some((field) => isOfKind(id, field))),
  );
  if (named.length === 0) {
    const kinds = replicaFields.map(({ kind = '' }) => `${kind}.[noVer].[noGrp]`).join(' ');
    throw new UserError(`error: resource with name ${name} does not match a config with the following GVK [${kinds}]`);
  }
  changeFields(named, replicaFields, () => Number(entry.count ?? 0));
}

/** Exchanges an image. */
export function setImage(resources: readonly Resource[], entry: Mapping): void {
  const wanted = textAt(entry, 'name');
  changeFields(resources, imageFields, (old) => {
    if (typeof old !== 'string' || splitImage(old).name !== wanted) return undefined;
    return imageText(splitImage(old), entry);
  });
}

interface Image {
  readonly name: string;
  readonly tag: string;
  readonly digest: string;
}

function splitImage(text: string): Image {
  const [, name = text, tag = '', digest = ''] = /^((?:[^/@]*\/)?[^:@]*)(?::([^@]*))?(?:@(.*))?$/.exec(text) ?? [];
  return { name, tag, digest };
}

function imageText(old: Image, entry: Mapping): string {
  const [newTag, newDigest, suffix] = [textAt(entry, 'newTag'), textAt(entry, 'digest'), textAt(entry, 'tagSuffix')];
  let { tag, digest } = old;
  if (newTag !== '' || newDigest !== '') [tag, digest] = [newTag, newDigest];
  else if (suffix !== '') [tag, digest] = [`${tag}${suffix}`, ''];
  const name = textAt(entry, 'newName') || old.name;
  return `${name}${tag === '' ? '' : `:${tag}`}${digest === '' ? '' : `@${digest}`}`;
}
