/** The file of a kustomization: found, read and checked. Source: kustomize `api/types/kustomization.go`. */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { readYaml, YamlError } from '#pkg/apimachinery/yaml.ts';
import { UserError } from '#pkg/component/user-error.ts';

/** How kustomize reads YAML. */
export const readingOptions = { wholeIntegers: true, fewBooleans: true } as const;

/** A map of a kustomization. */
export type Mapping = Readonly<JsonObject>;

/** Names that the file may have. */
export const fileNames = ['kustomization.yaml', 'kustomization.yml', 'Kustomization'] as const;

/** Fields that are read. */
const known: ReadonlySet<string> = new Set([
  ...['apiVersion', 'kind', 'metadata', 'namePrefix', 'nameSuffix', 'namespace', 'commonLabels', 'labels'],
  ...['commonAnnotations', 'patchesStrategicMerge', 'patchesJson6902', 'patches', 'images', 'replacements'],
  ...['replicas', 'sortOptions', 'resources', 'components', 'bases', 'configMapGenerator', 'secretGenerator'],
  ...['generatorOptions', 'imageTags', 'crds'],
]);

/** Fields of kustomize's that are refused here: they run programs or charts, or change what kinds mean. */
const refused: ReadonlySet<string> = new Set([
  ...['openapi', 'vars', 'helmGlobals', 'helmCharts', 'helmChartInflationGenerator', 'configurations', 'generators'],
  ...['transformers', 'validators', 'buildMetadata'],
]);

/** Fields on their way out, in the order in which they are warned of. */
const deprecated: Readonly<Record<string, string>> = {
  bases: 'resources',
  commonLabels: 'labels',
  patchesJson6902: 'patches',
  patchesStrategicMerge: 'patches',
};

/** Reads the text of such a file. What is on its way out is told to `warn`, in kustomize's words. */
export function readKustomization(text: string, folder: string, warn: (line: string) => void): Mapping {
  const bad = (why: string): UserError => new UserError(`error: invalid Kustomization: ${why}`);
  let value: unknown;
  try {
    value = readYaml(text, readingOptions)[0]?.value ?? {};
  } catch (error) {
    if (error instanceof YamlError) throw bad(error.message);
    throw error;
  }
  if (!isObject(value)) throw bad('json: cannot unmarshal into Go value of type types.Kustomization');
  if (Object.keys(value).length === 0) throw new UserError('error: kustomization.yaml is empty');
  for (const [field, held] of Object.entries(value)) {
    if (held === null) continue;
    if (known.has(field)) continue;
    if (refused.has(field))
      throw new UserError(
        `error: kustomizations with ${JSON.stringify(field)} (${folder}) are not built here: run "kustomize build" and pass its output with -f -`,
      );
    throw bad(`json: unknown field ${JSON.stringify(field)}`);
  }
  for (const [field, instead] of Object.entries(deprecated)) {
    if (value[field] === undefined || value[field] === null) continue;
    warn(
      `# Warning: '${field}' is deprecated. Please use '${instead}' instead. Run 'kustomize edit fix' to update your Kustomization automatically.`,
    );
  }
  return value;
}

/** The map at a name; an empty one where there is none. */
export function mapAt(value: Mapping, name: string): JsonObject {
  const held = value[name];
  return isObject(held) ? held : {};
}

/** The maps of the list at a name. */
export function mapsAt(value: Mapping, name: string): readonly JsonObject[] {
  const held = value[name];
  return Array.isArray(held) ? held.filter(isObject) : [];
}

/** The text at a name; numbers and booleans are taken as they are written. */
export function textAt(value: Mapping, name: string): string {
  const held = value[name];
  return held === undefined || held === null || typeof held === 'object' ? '' : String(held);
}

/** The texts of the list at a name. */
export function textsAt(value: Mapping, name: string): readonly string[] {
  const held = value[name];
  return Array.isArray(held) ? held.filter((one) => one !== null && typeof one !== 'object').map(String) : [];
}

/** Whether the value at a name is true. */
export function flag(value: Mapping, name: string): boolean {
  return value[name] === true;
}
