/** Values that are copied from fields of one object into fields of others. Source: kustomize `api/filters/replacement`. */
import { isObject, setOwn } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { flag, type Mapping, mapAt, mapsAt, textAt, textsAt } from './kustomization.ts';
import type { Resource } from './resource.ts';
import { hasWords, isNamed } from './selection.ts';

const defaultPath = 'metadata.name';

/** Does one replacement. */
export function replaceFields(resources: readonly Resource[], replacement: Mapping): void {
  const targets = mapsAt(replacement, 'targets');
  if (!isObject(replacement.source) || targets.length === 0)
    throw new UserError('error: replacements must specify a source and at least one target');
  const value = sourceValue(resources, replacement.source);
  for (const target of targets) {
    if (!isObject(target.select)) throw new UserError('error: target must specify resources to select');
    const { select } = target;
    const rejects = mapsAt(target, 'reject');
    for (const resource of resources) {
      if (!hasWords(resource, select) || !isNamed(resource, select)) continue;
      if (rejects.some((reject) => isRejected(resource, reject))) continue;
      writeFields(resource.object, value, target);
    }
  }
}

function isRejected(resource: Resource, reject: Mapping): boolean {
  const byWords = textAt(reject, 'labelSelector') + textAt(reject, 'annotationSelector') !== '';
  const byName = ['group', 'version', 'kind', 'name', 'namespace'].some((part) => textAt(reject, part) !== '');
  return (byWords && hasWords(resource, reject)) || (byName && isNamed(resource, reject));
}

function sourceValue(resources: readonly Resource[], source: Mapping): unknown {
  const found = resources.filter((resource) => isNamed(resource, source));
  const [only] = found;
  const text = ['kind', 'name', 'namespace']
    .map((part) => textAt(source, part))
    .filter((part) => part !== '')
    .join('/');
  if (only === undefined) throw new UserError(`error: nothing selected by ${text}`);
  if (found.length > 1) throw new UserError(`error: multiple matches for selector ${text}`);
  const path = textAt(source, 'fieldPath') || defaultPath;
  const [place] = placesOf(only.object, stepsOf(path), false);
  const value = place?.get();
  if (value === undefined || value === null || value === '')
    throw new UserError(`error: fieldPath \`${path}\` is missing for replacement source ${text}`);
  const options = mapAt(source, 'options');
  const delimiter = textAt(options, 'delimiter');
  if (delimiter === '') return value;
  if (typeof value === 'object') throw new UserError('error: delimiter option can only be used with scalar nodes');
  const index = Number(options.index ?? 0);
  const part = String(value).split(delimiter)[index];
  if (part === undefined)
    throw new UserError(`error: options.index ${index} is out of bounds for value ${String(value)}`);
  return part;
}

function writeFields(object: JsonObject, value: unknown, target: Mapping): void {
  const options = mapAt(target, 'options');
  const creates = flag(options, 'create');
  const paths = textsAt(target, 'fieldPaths');
  for (const path of paths.length === 0 ? [defaultPath] : paths) {
    const places = placesOf(object, stepsOf(path), creates);
    if (places.length === 0) {
      const action = creates ? 'find or create' : 'find';
      throw new UserError(`error: unable to ${action} field ${JSON.stringify(path)} in replacement target`);
    }
    for (const place of places) place.set(writtenValue(place.get(), value, options));
  }
}

/** A scalar keeps the type of what was there. */
function writtenValue(old: unknown, value: unknown, options: Mapping): unknown {
  const delimiter = textAt(options, 'delimiter');
  if (delimiter !== '') {
    if (typeof old === 'object') throw new UserError('error: delimiter option can only be used with scalar nodes');
    const parts = String(old ?? '').split(delimiter);
    const index = Number(options.index ?? 0);
    if (index < 0) parts.unshift(String(value));
    else if (index >= parts.length) parts.push(String(value));
    else parts[index] = String(value);
    return parts.join(delimiter);
  }
  if (typeof old === 'string' && typeof value !== 'object') return String(value);
  if (typeof old === 'number' && typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value)))
    return Number(value);
  return typeof value === 'object' ? structuredClone(value) : value;
}

interface Place {
  get(): unknown;
  set(value: unknown): void;
}

/** Words between dots; what is in brackets, and what follows a backslash, is taken as it is. */
function stepsOf(path: string): readonly string[] {
  const steps = path.match(/(?:\[[^\]]*\]|\\.|[^.[\\]+)+?(?=\.|\[|$)|\[[^\]]*\]/g) ?? [];
  return steps.filter((step) => step !== '').map((step) => step.replaceAll(/\\(.)/g, '$1'));
}

function placesOf(value: unknown, [step, ...rest]: readonly string[], creates: boolean): readonly Place[] {
  if (step === undefined) return [];
  if (Array.isArray(value)) {
    const items: unknown[] = value;
    return matching(items, step, creates).flatMap((index) => {
      if (rest.length > 0) return placesOf(items[index], rest, creates);
      return [{ get: () => items[index], set: (next: unknown) => void items.splice(index, 1, next) }];
    });
  }
  if (!isObject(value)) return [];
  if (step === '*') return Object.keys(value).flatMap((key) => placesOf(value, [key, ...rest], creates));
  const held = Object.hasOwn(value, step) ? value[step] : undefined;
  if (rest.length === 0) {
    if (held === undefined && !creates) return [];
    return [{ get: () => value[step], set: (next) => setOwn(value, step, next) }];
  }
  if (held === undefined || held === null) {
    if (!creates) return [];
    setOwn(value, step, rest[0]?.startsWith('[') ? [] : {});
  }
  return placesOf(value[step], rest, creates);
}

/** Indexes of a list that a step means: `*`, a number, `[key=value]` or `-`, which is a further item. */
function matching(items: unknown[], step: string, creates: boolean): readonly number[] {
  if (step === '*') return [...items.keys()];
  if (/^\d+$/.test(step)) return Number(step) < items.length ? [Number(step)] : [];
  const condition = /^\[([^=]*)=(.*)\]$/.exec(step);
  if (condition === null) return [];
  const [, key = '', wanted = ''] = condition;
  const found = [...items.keys()].filter((index) => {
    const item = items[index];
    return key === '' ? String(item) === wanted : isObject(item) && String(item[key]) === wanted;
  });
  if (found.length > 0 || !creates || key === '') return found;
  return [items.push({ [key]: wanted }) - 1];
}
