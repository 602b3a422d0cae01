/** Static pods from files of the machine: read, completed and checked by the rules of the API's own pods, as upstream's kubelet does. Loaded where a node has some. */
import { createHash } from 'node:crypto';
import { watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { podReferences } from '#pkg/api/core/pod-references.ts';
import { staticPodAnnotations } from '#pkg/api/core/static-pods.ts';
import { typeSchema } from '#pkg/api/facts.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { strictDecodingError } from '#pkg/api/validation/decode-errors.ts';
import { applySchemaDefaults } from '#pkg/api/validation/defaults.ts';
import { validateRequired } from '#pkg/api/validation/required.ts';
import { convertAndCheck } from '#pkg/api/validation/structural.ts';
import { decodeYaml } from '#pkg/apimachinery/decode.ts';
import type { Draft } from '#pkg/apimachinery/draft.ts';
import { invalidObject } from '#pkg/apimachinery/field-error.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { validateObjectMeta } from '#pkg/apimachinery/object-meta-validation.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { StaticPodFile, StaticPodSettings } from '#pkg/kubelet/static-pods/static-pods.ts';
import { setPodDefaults } from '#pkg/registry/core/pod-defaults.ts';
import { qosClassOf } from '#pkg/registry/core/pod-qos.ts';
import { newPodErrors, validatePod } from '#pkg/registry/core/validation/pod.ts';
import type { StaticPodPlace } from './static-pod-flags.ts';

/** Source: `maxConfigLength`. */
const fileBytesMax = 10 * 1024 * 1024;
/** More than a node runs; files beyond, in their order, are said to be too many. */
const filesMax = 500;

/** The static pods of a node. Nothing has to be there yet. */
export function staticPodFiles({ path, periodMs }: StaticPodPlace, nodeName: string): StaticPodSettings {
  return {
    periodMs,
    read: async () => {
      const places = await placesAt(path);
      const read = await Promise.all(places.slice(0, filesMax).map((place) => readPlace(place, nodeName)));
      const beyond = places
        .slice(filesMax)
        .map((place) => ({ place, problem: `there are more than ${filesMax} files` }));
      return [...read.flatMap((one) => one ?? []), ...beyond];
    },
    watch: (onChange, signal) => watchPlace(path, onChange, signal),
  };
}

/** Files whose names begin with a dot are none, as editors write such. */
async function placesAt(path: string): Promise<readonly string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const names = await readdir(path);
    return names
      .filter((name) => !name.startsWith('.'))
      .sort()
      .map((name) => join(path, name));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Undefined where the file has gone meanwhile. */
async function readPlace(place: string, nodeName: string): Promise<StaticPodFile | undefined> {
  try {
    const found = await stat(place);
    if (!found.isFile()) return { place, problem: 'it is no file' };
    if (found.size > fileBytesMax) return { place, problem: `it has more than ${fileBytesMax} bytes` };
    return { place, pod: staticPodOf(await readFile(place, 'utf8'), { place, nodeName }) };
  } catch (error) {
    return errorCode(error) === 'ENOENT' ? undefined : { place, problem: errorText(error) };
  }
}

/** Where the system tells nothing of a place it is looked at from time to time all the same. */
function watchPlace(path: string, onChange: () => void, signal: AbortSignal): void {
  try {
    watch(path, { persistent: false, signal }, onChange).on('error', () => {});
  } catch {
    // It is not there yet.
  }
}

/** The pod that a file has, as the node runs it. Throws an `Error` in one line for what is none. */
export function staticPodOf(text: string, at: { readonly place: string; readonly nodeName: string }): Pod {
  const pod = checkedPod(text, at.nodeName);
  const { annotations } = pod.metadata ?? {};
  const uid = createHash('sha256')
    .update(JSON.stringify(pod))
    .update(`host:${at.nodeName}file:${at.place}`)
    .digest('hex');
  const { hash, source } = staticPodAnnotations;
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      uid: uid.slice(0, 32),
      annotations: { ...annotations, [hash]: uid.slice(0, 32), [source]: 'file' },
    },
    status: { phase: 'Pending', qosClass: qosClassOf(pod) },
  };
}

/** Source: `applyDefaults`, `tryDecodeSinglePod` of kubelet `config/common.go`. */
function checkedPod(text: string, nodeName: string): Pod {
  const decoded = decodeYaml(text, { findDuplicates: true });
  if (!decoded.ok) throw new Error(decoded.error);
  const { value } = decoded;
  if (!isObject(value) || value['kind'] !== 'Pod' || value['apiVersion'] !== 'v1')
    throw new Error('it is no Pod of v1');
  const schema = typeSchema('io.k8s.api.core.v1.Pod');
  const { object, strictErrors, typeError } = convertAndCheck(value, schema, { strict: 'Strict' });
  const faults = [decoded.yamlDuplicates ?? [], strictErrors].flat();
  if (typeError !== undefined || faults.length > 0) throw new Error(typeError ?? strictDecodingError(faults));
  applySchemaDefaults(object, schema);
  const { draft, pod } = seenAs(object);
  setPodDefaults(draft);
  const { name = '' } = pod.metadata ?? {};
  const metadata = {
    ...pod.metadata,
    name: `${name}-${nodeName.toLowerCase()}`,
    namespace: pod.metadata?.namespace ?? 'default',
  };
  const tolerations = [...(pod.spec?.tolerations ?? []), { operator: 'Exists', effect: 'NoExecute' }];
  const whole: Pod = {
    ...pod,
    metadata,
    ...(pod.spec === undefined ? {} : { spec: { ...pod.spec, nodeName, tolerations } }),
  };
  const errors = [
    ...validateObjectMeta(metadata, { namespaced: true }),
    ...validateRequired(object, schema),
    ...validatePod(whole),
    ...newPodErrors(whole),
  ];
  if (errors.length > 0)
    throw new Error(`invalid pod: ${invalidObject({ group: '', kind: 'Pod' }, metadata.name, errors).message}`);
  refuseReferences(whole);
  return whole;
}

/** They run without the API. Source: feature gate `PreventStaticPodAPIReferences`. */
function refuseReferences(pod: Pod): void {
  const { claims, configMaps, secrets } = podReferences(pod, { withEphemeral: true });
  const { serviceAccountName = '', resourceClaims = [] } = pod.spec ?? {};
  const found = {
    serviceaccounts: serviceAccountName !== '',
    secrets: secrets.size > 0,
    configmaps: configMaps.size > 0,
    persistentvolumeclaims: claims.size > 0,
    resourceclaims: resourceClaims.length > 0,
  };
  for (const [resource, isThere] of Object.entries(found))
    if (isThere) throw new Error(`static pods may not reference ${resource}`);
}

/** What was decoded as a pod, to be completed and to be read. */
function seenAs(object: JsonObject): { readonly draft: Draft<Pod>; readonly pod: Pod };
function seenAs(object: JsonObject): { readonly draft: unknown; readonly pod: unknown } {
  return { draft: object, pod: object };
}
