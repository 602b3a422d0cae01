/**
 * Builds kustomizations: the objects of a folder's `kustomization.yaml`, with those of the folders it names. Nothing is fetched from elsewhere, and nothing
 * outside of a folder is read but by `resources`, `components` and folders below them, as kustomize restricts it.
 * Source: kustomize `api/internal/target/kusttarget.go`, of version 5.7.
 */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { readYaml, YamlError } from '#pkg/apimachinery/yaml.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { addHashes, generate } from './generators.ts';
import {
  fileNames,
  type Mapping,
  mapAt,
  mapsAt,
  readingOptions,
  readKustomization,
  textAt,
  textsAt,
} from './kustomization.ts';
import { inOrder } from './order.ts';
import { applyPatch, applyStrategicPatch } from './patches.ts';
import { fixReferences } from './references.ts';
import { replaceFields } from './replacements.ts';
import { idOf, idText, newResource, type Resource } from './resource.ts';
import { addAnnotations, addLabels, affixNames, setImage, setNamespace, setReplicas } from './transformers.ts';

/** What a folder's kustomization is told. */
export type Warn = (line: string) => void;

/** Objects with this annotation are of use to others of the kustomization alone. */
const localAnnotation = 'config.kubernetes.io/local-config';

/** The objects of a kustomization, in the order in which they are applied. Throws `UserError` for what cannot be built. */
export function buildKustomization(folder: string, warn: Warn): readonly JsonObject[] {
  const resources: Resource[] = [];
  const kustomization = new Target(resolve(folder), [], warn).addTo(resources);
  addHashes(resources);
  fixReferences(resources);
  const kept = resources.filter(
    ({ object }) => textAt(mapAt(mapAt(object, 'metadata'), 'annotations'), localAnnotation) !== 'true',
  );
  return inOrder(kept, kustomization.sortOptions).map(({ object }) => object);
}

/** One folder. */
class Target {
  readonly #folder: string;
  /** Folders on the way here, none of which may be met again. */
  readonly #path: readonly string[];
  readonly #warn: Warn;

  constructor(folder: string, path: readonly string[], warn: Warn) {
    this.#folder = folder;
    this.#path = [...path, folder];
    this.#warn = warn;
  }

  /** Adds its objects to `resources`, all of which it changes. */
  addTo(resources: Resource[]): Mapping {
    const kustomization = this.#read();
    for (const path of [...textsAt(kustomization, 'resources'), ...textsAt(kustomization, 'bases')])
      this.#addResource(resources, path);
    for (const path of textsAt(kustomization, 'components')) this.#addComponent(resources, path);
    const parts = { read: (path: string) => this.#readFile(path), options: mapAt(kustomization, 'generatorOptions') };
    for (const values of mapsAt(kustomization, 'configMapGenerator'))
      generate(resources, { kind: 'ConfigMap', values }, parts);
    for (const values of mapsAt(kustomization, 'secretGenerator'))
      generate(resources, { kind: 'Secret', values }, parts);
    this.#transform(resources, kustomization);
    return kustomization;
  }

  #read(): Mapping {
    const found = fileNames.filter((name) => statSync(join(this.#folder, name), { throwIfNoEntry: false })?.isFile());
    const [name] = found;
    if (name === undefined) {
      const names = `'kustomization.yaml', 'kustomization.yml' or 'Kustomization'`;
      throw new UserError(`error: unable to find one of ${names} in directory '${this.#folder}'`);
    }
    if (found.length > 1) throw new UserError(`error: Found multiple kustomization files under: ${this.#folder}`);
    return readKustomization(readFileSync(join(this.#folder, name), 'utf8'), this.#folder, this.#warn);
  }

  #addResource(resources: Resource[], path: string): void {
    if (/^[a-z]+:\/\/|^git@|^github\.com\//.test(path))
      throw new UserError(`error: accumulating resources: ${path} is not fetched here: copy it into the folder`);
    const place = resolve(this.#folder, path);
    const found: Resource[] = [];
    if (statSync(place, { throwIfNoEntry: false })?.isDirectory()) this.#inner(place).addTo(found);
    else found.push(...objectsOf(this.#readFile(path).toString('utf8'), path).map((object) => newResource(object)));
    for (const resource of found) {
      const id = idOf(resource.object);
      if (resources.some(({ object }) => idText(idOf(object)) === idText(id))) {
        throw new UserError(
          `error: accumulating resources: accumulation err='merging resources from '${path}': may not add resource with an already registered id: ${idText(id)}'`,
        );
      }
      resources.push(resource);
    }
  }

  /** A component changes what is there already. */
  #addComponent(resources: Resource[], path: string): void {
    const place = resolve(this.#folder, path);
    if (!statSync(place, { throwIfNoEntry: false })?.isDirectory())
      throw new UserError(
        `error: accumulating components: accumulateDirectory: "couldn't make target for path '${place}': not a directory"`,
      );
    const { kind } = this.#inner(place).addTo(resources);
    if (kind !== 'Component')
      throw new UserError(
        `error: accumulating components: expected kind 'Component' for path '${path}' but got '${String(kind ?? 'Kustomization')}'`,
      );
  }

  #inner(place: string): Target {
    if (this.#path.includes(place)) {
      throw new UserError(
        `error: accumulating resources: cycle detected: candidate root '${place}' contains visited root '${place}'`,
      );
    }
    return new Target(place, this.#path, this.#warn);
  }

  #transform(resources: Resource[], kustomization: Mapping): void {
    const read = (path: string): string => this.#readFile(path).toString('utf8');
    const strategic = Array.isArray(kustomization.patchesStrategicMerge) ? kustomization.patchesStrategicMerge : [];
    for (const entry of strategic) if (typeof entry === 'string') applyStrategicPatch(resources, entry, read);
    for (const entry of mapsAt(kustomization, 'patches')) applyPatch(resources, entry, read);
    const namespace = textAt(kustomization, 'namespace');
    if (namespace !== '') setNamespace(resources, namespace);
    affixNames(resources, textAt(kustomization, 'namePrefix'), '');
    affixNames(resources, '', textAt(kustomization, 'nameSuffix'));
    addLabels(resources, kustomization);
    addAnnotations(resources, kustomization);
    for (const entry of mapsAt(kustomization, 'patchesJson6902')) applyPatch(resources, entry, read);
    for (const entry of mapsAt(kustomization, 'replicas')) setReplicas(resources, entry);
    for (const entry of [...mapsAt(kustomization, 'images'), ...mapsAt(kustomization, 'imageTags')])
      setImage(resources, entry);
    for (const entry of mapsAt(kustomization, 'replacements'))
      for (const one of this.#replacementsOf(entry)) replaceFields(resources, one);
  }

  /** A replacement, or those of the file that it names. */
  #replacementsOf(entry: Mapping): readonly Mapping[] {
    const path = textAt(entry, 'path');
    if (path === '') return [entry];
    const values = readYaml(this.#readFile(path).toString('utf8'), readingOptions).map(({ value }) => value);
    return values.flat().filter(isObject);
  }

  /** A file of the folder or below it, links followed. */
  #readFile(path: string): Buffer {
    const place = resolve(this.#folder, path);
    try {
      const root = realpathSync(this.#folder);
      const real = realpathSync(place);
      if (relative(root, real).startsWith('..')) {
        throw new UserError(`error: security; file '${real}' is not in or below '${root}'`);
      }
      return readFileSync(real);
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError(
        `error: accumulating resources: evalsymlink failure on '${place}' : lstat ${place}: no such file or directory`,
        error,
      );
    }
  }
}

/** The objects of a file, those of lists one by one. */
function objectsOf(text: string, path: string): readonly JsonObject[] {
  const bad = (why: string): UserError =>
    new UserError(`error: accumulating resources: accumulation err='accumulating resources from '${path}': ${why}'`);
  let values: readonly unknown[];
  try {
    values = readYaml(text, readingOptions).map(({ value }) => value);
  } catch (error) {
    if (error instanceof YamlError) throw bad(`MalformedYAMLError: ${error.message} in File: ${path}`);
    throw error;
  }
  const objects: JsonObject[] = [];
  for (const value of values) {
    if (value === null) continue;
    if (!isObject(value)) throw bad('it holds what is no object');
    const isList = textAt(value, 'kind').endsWith('List') && Array.isArray(value.items);
    for (const object of isList ? mapsAt(value, 'items') : [value]) {
      for (const field of ['apiVersion', 'kind'])
        if (textAt(object, field) === '') throw bad(`Object 'Kind' or 'apiVersion' is missing: ${field} not set`);
      if (idOf(object).name === '')
        throw bad(`missing metadata.name in object {{${textAt(object, 'apiVersion')} ${textAt(object, 'kind')}}}`);
      objects.push(object);
    }
  }
  return objects;
}
