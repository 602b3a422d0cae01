/** ConfigMaps and Secrets from literals and files, and the hash in their names. Source: kustomize `api/internal/generators`, `api/hasher`. */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { sortedJson } from '../sorted-json.ts';
import { flag, type Mapping, mapAt, textAt, textsAt } from './kustomization.ts';
import { effectiveNamespace, idOf, idsOf, idText, keepId, newResource, type Resource } from './resource.ts';

/** Reads a file of the kustomization's folder. */
export type ReadBytes = (path: string) => Buffer;

/** What is made of the generators of a kustomization. */
export interface GeneratorParts {
  readonly read: ReadBytes;
  /** `generatorOptions`. */
  readonly options: Mapping;
}

/** Characters of a line of base64; longer values have several. */
const lineLength = 70;

/** Makes an object, or changes one that is there where the generator says `merge` or `replace`. */
export function generate(
  resources: Resource[],
  { kind, values }: { readonly kind: 'ConfigMap' | 'Secret'; readonly values: Mapping },
  parts: GeneratorParts,
): void {
  const made = kind === 'ConfigMap' ? configMap(values, parts) : secret(values, parts);
  const own = idOf(made.object);
  const behavior = textAt(values, 'behavior');
  const there = resources.find((one) =>
    idsOf(one).some(
      (id) => id.kind === kind && id.name === own.name && effectiveNamespace(id) === effectiveNamespace(own),
    ),
  );
  if (behavior === '' || behavior === 'create' || behavior === 'unspecified') {
    if (there !== undefined)
      throw new UserError(`error: merging from generator: id ${idText(own)} exists; behavior must be merge or replace`);
    resources.push(made);
    return;
  }
  if (there === undefined)
    throw new UserError(`error: merging from generator: id ${idText(own)} does not exist; cannot merge or replace`);
  if (behavior !== 'merge' && behavior !== 'replace')
    throw new UserError(`error: the behavior ${JSON.stringify(behavior)} must be one of create, merge or replace`);
  combine(there, made, behavior);
}

function combine(there: Resource, made: Resource, behavior: 'merge' | 'replace'): void {
  const { object } = there;
  const metadata = { ...mapAt(object, 'metadata') };
  for (const field of ['labels', 'annotations']) {
    const merged = { ...mapAt(metadata, field), ...mapAt(mapAt(made.object, 'metadata'), field) };
    if (Object.keys(merged).length > 0) metadata[field] = merged;
  }
  const next: JsonObject = { ...made.object, metadata };
  if (behavior === 'merge') {
    for (const field of ['data', 'binaryData', 'stringData']) {
      const merged = { ...mapAt(object, field), ...mapAt(made.object, field) };
      if (Object.keys(merged).length > 0) next[field] = merged;
    }
    if (typeof object.type === 'string' && made.object.type === 'Opaque') next.type = object.type;
  }
  there.object = next;
}

function configMap(values: Mapping, parts: GeneratorParts): Resource {
  const data: JsonObject = {};
  const binaryData: JsonObject = {};
  for (const [key, bytes] of dataOf(values, parts)) {
    const text = bytes.toString('utf8');
    if (Buffer.from(text).equals(bytes)) data[key] = text;
    else binaryData[key] = base64(bytes);
  }
  const held = {
    ...(Object.keys(data).length === 0 ? {} : { data }),
    ...(Object.keys(binaryData).length === 0 ? {} : { binaryData }),
  };
  return finish({ apiVersion: 'v1', kind: 'ConfigMap', ...held }, values, parts);
}

function secret(values: Mapping, parts: GeneratorParts): Resource {
  const entries = dataOf(values, parts).map(([key, bytes]) => [key, base64(bytes)]);
  const data = entries.length === 0 ? {} : { data: Object.fromEntries(entries) };
  const type = textAt(values, 'type') || 'Opaque';
  return finish({ apiVersion: 'v1', kind: 'Secret', ...data, type }, values, parts);
}

function finish(object: JsonObject, values: Mapping, { options }: GeneratorParts): Resource {
  const name = textAt(values, 'name');
  if (name === '') throw new UserError('error: configmap generation: a generator must have a name');
  const own = mapAt(values, 'options');
  const namespace = textAt(values, 'namespace');
  const metadata: JsonObject = { name, ...(namespace === '' ? {} : { namespace }) };
  for (const field of ['labels', 'annotations']) {
    const merged = { ...mapAt(options, field), ...mapAt(own, field) };
    if (Object.keys(merged).length > 0) metadata[field] = merged;
  }
  object.metadata = metadata;
  if (flag(own, 'immutable') || flag(options, 'immutable')) object.immutable = true;
  return newResource(object, !flag(own, 'disableNameSuffixHash') && !flag(options, 'disableNameSuffixHash'));
}

type Data = (readonly [key: string, bytes: Buffer])[];

function dataOf(values: Mapping, { read }: GeneratorParts): Data {
  const data: Data = [];
  const envs = [...textsAt(values, 'envs'), ...(textAt(values, 'env') === '' ? [] : [textAt(values, 'env')])];
  for (const file of envs) data.push(...linesOf(read(file).toString('utf8')));
  for (const source of textsAt(values, 'files')) {
    const equals = source.indexOf('=');
    const path = source.slice(equals + 1);
    data.push([equals < 0 ? basename(path) : source.slice(0, equals), read(path)]);
  }
  for (const literal of textsAt(values, 'literals')) {
    const equals = literal.indexOf('=');
    if (equals <= 0)
      throw new UserError(
        `error: loading KV pairs: literal sources [${textsAt(values, 'literals').join(' ')}]: invalid literal source ${literal}, expected key=value`,
      );
    data.push([literal.slice(0, equals), Buffer.from(literal.slice(equals + 1).replace(/^(['"])(.*)\1$/s, '$2'))]);
  }
  const seen = new Set<string>();
  for (const [key] of data) {
    if (seen.has(key)) throw new UserError(`error: cannot add key ${key}, another key by that name already exists`);
    seen.add(key);
  }
  return data;
}

function linesOf(text: string): Data {
  const lines = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line) => line.trimStart());
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const equals = line.indexOf('=');
      // A name alone has the value that it has where this runs, which nobody passes on here.
      return equals < 0 ? [line, Buffer.alloc(0)] : [line.slice(0, equals), Buffer.from(line.slice(equals + 1))];
    });
}

/** In lines, as kustomize writes it: such a value is a block of the document. */
function base64(bytes: Buffer): string {
  const text = bytes.toString('base64');
  if (text.length < lineLength) return text;
  return `${text.match(/.{1,70}/g)?.join('\n') ?? ''}\n`;
}

/** Adds the hash of what it holds to the name of each object that was generated. */
export function addHashes(resources: readonly Resource[]): void {
  for (const resource of resources) {
    if (!resource.needsHash) continue;
    keepId(resource);
    const { object } = resource;
    object.metadata = { ...mapAt(object, 'metadata'), name: `${idOf(object).name}-${hashOf(object)}` };
  }
}

const hashLetters: Readonly<Record<string, string>> = { 0: 'g', 1: 'h', 3: 'k', a: 'm', e: 't' };

/** Ten letters that spell nothing. */
function hashOf(object: JsonObject): string {
  // Upstream looks the name up where none is, so that a hash does not depend on it.
  const name = '';
  const { data = '', kind } = object;
  const held: JsonObject = kind === 'Secret' ? { kind, type: object.type ?? '', name, data } : { kind, name, data };
  const more = kind === 'Secret' ? 'stringData' : 'binaryData';
  if (isObject(object[more])) held[more] = object[more];
  const hex = createHash('sha256').update(sortedJson(held)).digest('hex').slice(0, 10);
  return [...hex].map((letter) => hashLetters[letter] ?? letter).join('');
}
