/**
 * The way from client-side to server-side apply: `kubectl` keeps its last configuration in an annotation. What that says and the
 * object still has is taken over without a conflict, and the annotation is kept up to date for a way back.
 * Upstream counterpart: apimachinery `managedfields/internal` `lastappliedmanager.go`, `lastappliedupdater.go`.
 */
import { canonicalJson, isObject } from '../json.ts';
import type { JsonObject, KubeObject } from '../object.ts';
import { annotationsTooLarge } from '../object-meta-validation.ts';
import type { ObjectSchema } from '../schema.ts';
import { compareObjects } from './compare.ts';
import { difference, emptySet, type FieldSet } from './field-set.ts';
import { fieldSetOf } from './object-fields.ts';

/** The manager for which this is done: that of `kubectl apply --server-side`. */
export const kubectlManager = 'kubectl';

const annotation = 'kubectl.kubernetes.io/last-applied-configuration';

function lastApplied(object: KubeObject | undefined): string | undefined {
  return object?.metadata?.annotations?.[annotation] || undefined;
}

/** The fields that the annotation of `live` claims and that still have the value it gives them. */
export function clientSideFields(live: KubeObject | undefined, schema: ObjectSchema): FieldSet {
  const text = lastApplied(live);
  if (live === undefined || text === undefined) return emptySet;
  let configuration: unknown;
  try {
    configuration = JSON.parse(text);
  } catch {
    return emptySet;
  }
  if (!isObject(configuration) || configuration.apiVersion !== live.apiVersion) return emptySet;
  const claimed = fieldSetOf(configuration, schema);
  const comparison = compareObjects(configuration, live, schema);
  const { added = emptySet, modified = emptySet, removed = emptySet } = comparison ?? {};
  return difference(difference(difference(claimed, modified), added), removed);
}

/**
 * Puts the configuration into the annotation of the draft, if the stored object has that annotation. One that is too large is left out.
 */
export function refreshLastApplied(
  draft: JsonObject,
  { live, config }: { readonly live: KubeObject | undefined; readonly config: KubeObject },
): void {
  if (lastApplied(live) === undefined) return;
  const configuration = withoutAnnotation(config);
  const metadata = draft.metadata as JsonObject;
  const annotations: Record<string, string> = {
    ...(metadata.annotations as Record<string, string>),
    [annotation]: `${canonicalJson(configuration)}\n`,
  };
  if (annotationsTooLarge(annotations)) delete annotations[annotation];
  draft.metadata = { ...metadata, annotations };
}

function withoutAnnotation(config: KubeObject): KubeObject {
  if (config.metadata?.annotations === undefined) return config;
  const { [annotation]: _, ...annotations } = config.metadata.annotations;
  return { ...config, metadata: { ...config.metadata, annotations } };
}
