/** From the arguments of a command to the objects it is about. */

import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList, digText } from './api.ts';
import type { KubectlContext } from './context.ts';
import { groupVersion, kindName, type Mapping, pathOf, UnknownKindError } from './discovery.ts';
import { type OnDuplicates, readDocuments, type SourceDocument } from './files.ts';

/** One object, or all objects of a resource when `name` is absent. */
export interface Target {
  readonly mapping: Mapping;
  readonly name?: string;
  readonly namespace?: string;
  /** The document it was named by. */
  readonly document?: JsonObject;
  /** File of that document. */
  readonly source?: string;
}

/** Where names come from beside the arguments. */
export interface TargetOptions {
  readonly namespace?: string;
  readonly files?: readonly string[];
  /** Folder of a kustomization; empty for none. */
  readonly kustomize?: string;
  readonly recursive?: boolean;
  /** What keys that come twice in a file do, by the value of `--validate`; ignored when it is absent, and the last one counts. */
  readonly validate?: string;
  /** Told of an object of a kind that the server has not, which is then left out. Without it, that is an error of all of them. */
  readonly onUnknownKind?: (error: UnknownKindError) => void;
}

/** The options that the flags of a command name. */
export function targetOptions(values: {
  readonly filename: readonly string[];
  readonly kustomize?: string;
  readonly recursive?: boolean;
  readonly namespace: string;
  readonly validate?: string;
}): TargetOptions {
  return {
    files: values.filename,
    kustomize: values.kustomize ?? '',
    recursive: values.recursive ?? false,
    ...(values.namespace === '' ? {} : { namespace: values.namespace }),
    ...(values.validate === undefined ? {} : { validate: values.validate }),
  };
}

/** `pods`, `pods a b`, `pods,services`, `pod/a deploy/b`, `all`, or `-f` files. */
export async function parseTargets(
  context: KubectlContext,
  args: readonly string[],
  options: TargetOptions,
): Promise<readonly Target[]> {
  const namespace = options.namespace ?? context.api.namespace;
  if (options.files !== undefined && (options.files.length > 0 || (options.kustomize ?? '') !== '')) {
    if (args.length > 0)
      throw new UserError(
        'error: when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well',
      );
    return fileTargets(context, options, namespace);
  }
  if (args.length === 0)
    throw new UserError(`error: You must provide one or more resources by argument or filename.\n${examples}`);
  if (args.some((argument) => argument.includes('/'))) {
    if (!args.every((argument) => argument.includes('/'))) throw new UserError(separateType);
    return (await Promise.all(args.map((argument) => slashTarget(context, argument, namespace)))).flat();
  }
  const mappings = (
    await Promise.all(
      args[0]!
        .split(',')
        .filter((word) => word !== '')
        .map((word) => context.discovery.resolve(word)),
    )
  ).flat();
  const scope = (mapping: Mapping) => (mapping.namespaced ? { namespace } : {});
  const names = args.slice(1);
  if (names.length === 0) return mappings.map((mapping) => ({ mapping, ...scope(mapping) }));
  return mappings.flatMap((mapping) => names.map((name) => ({ mapping, name, ...scope(mapping) })));
}

const examples = `Example resource specifications include:
   '-f rsrc.yaml'
   '--filename=rsrc.json'
   '<resource> <name>'
   '<resource>'`;

const separateType =
  "error: there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'";

async function slashTarget(context: KubectlContext, argument: string, namespace: string): Promise<readonly Target[]> {
  const [type, name, ...more] = argument.split('/');
  if (more.length > 0) throw new UserError('error: arguments in resource/name form may not have more than one slash');
  if (!type || !name) {
    throw new UserError('error: arguments in resource/name form must have a single resource and name');
  }
  const mappings = await context.discovery.resolve(type);
  return mappings.map((mapping) => ({ mapping, name, ...(mapping.namespaced ? { namespace } : {}) }));
}

/** Those of the files, or of the kustomization in their place. */
async function documentsOf(context: KubectlContext, options: TargetOptions): Promise<readonly SourceDocument[]> {
  const { files = [], kustomize = '' } = options;
  if (kustomize === '') {
    return readDocuments(files, {
      recursive: options.recursive ?? false,
      readStdin: context.readStdin,
      onDuplicates: duplicatesHandler(context, options.validate),
    });
  }
  if (files.length > 0) throw new UserError('error: only one of -f or -k can be specified');
  const { buildKustomization } = await import('./kustomize/build.ts');
  const objects = buildKustomization(kustomize, (line) => context.complain(line));
  return objects.map((document) => ({ document, source: kustomize }));
}

async function fileTargets(
  context: KubectlContext,
  options: TargetOptions,
  fallback: string,
): Promise<readonly Target[]> {
  const documents = await documentsOf(context, options);
  const targets: Target[] = [];
  for (const { document, source } of documents) {
    const own = digText(document, 'metadata', 'namespace');
    const name = digText(document, 'metadata', 'name');
    const mapping = await mappingOf(context, { document, source }, options);
    if (mapping === undefined) continue;
    if (own !== '' && options.namespace !== undefined && own !== options.namespace) {
      throw new UserError(
        `error: the namespace from the provided object "${own}" does not match the namespace "${options.namespace}". You must pass '--namespace=${own}' to perform this operation.`,
      );
    }
    targets.push({
      mapping,
      ...(name === '' ? {} : { name }),
      ...(mapping.namespaced ? { namespace: own === '' ? fallback : own } : {}),
      document,
      source,
    });
  }
  return targets;
}

async function mappingOf(
  context: KubectlContext,
  { document, source }: SourceDocument,
  { onUnknownKind }: TargetOptions,
): Promise<Mapping | undefined> {
  const name = digText(document, 'metadata', 'name');
  const namespace = digText(document, 'metadata', 'namespace');
  const where = `name: "${name}" namespace: "${namespace}" from "${source}"`;
  try {
    return await context.discovery.ofKind(digText(document, 'apiVersion'), digText(document, 'kind'), where);
  } catch (error) {
    if (onUnknownKind === undefined || !(error instanceof UnknownKindError)) throw error;
    onUnknownKind(error);
    return undefined;
  }
}

/** What the server does with keys that come twice, done here, as the server is sent objects in which they cannot. */
function duplicatesHandler(context: KubectlContext, validate: string | undefined): OnDuplicates | undefined {
  if (validate === undefined || validate === 'ignore' || validate === 'false') return undefined;
  return (source, problem) => {
    if (validate === 'warn') context.complain(`Warning: ${source}: ${problem}`);
    else throw new UserError(`error: error parsing ${source}: error converting YAML to JSON: ${problem}`);
  };
}

/** The object of a target that names one. */
export async function getObject(context: KubectlContext, target: Target): Promise<JsonObject> {
  const path = pathOf(target.mapping, target.namespace, target.name);
  return (await context.api.call({ method: 'GET', path })).object;
}

/** Which objects of a resource; all of the namespace where nothing is said. */
export interface Selection {
  readonly selector?: string;
  readonly fieldSelector?: string;
  readonly allNamespaces?: boolean;
}

function selectionQuery(selection: Selection): Record<string, string | undefined> {
  return { labelSelector: selection.selector || undefined, fieldSelector: selection.fieldSelector || undefined };
}

/** Objects that are asked for at a time. Source: kubectl, default of `--chunk-size`. */
export const chunkSizeDefault = 500;

/** The answers to a list, page after page; an error says which objects could not be found. */
export async function* listPages(
  context: KubectlContext,
  target: Target,
  options: {
    readonly selection: Selection;
    readonly query?: Readonly<Record<string, string | undefined>>;
    readonly accept?: string;
    readonly chunkSize?: number;
  },
): AsyncGenerator<JsonObject> {
  const { selection, accept, chunkSize = chunkSizeDefault } = options;
  const path = pathOf(target.mapping, selection.allNamespaces ? undefined : target.namespace);
  let next: string | undefined;
  do {
    const query = {
      ...selectionQuery(selection),
      ...options.query,
      limit: chunkSize > 0 ? String(chunkSize) : undefined,
      continue: next,
    };
    const { object } = await context.api
      .call({ method: 'GET', path, query, ...(accept === undefined ? {} : { accept }) })
      .catch((error: unknown) => {
        throw error instanceof StatusError ? listError(error, target, selection) : error;
      });
    yield object;
    next = digText(object, 'metadata', 'continue') || undefined;
  } while (next !== undefined);
}

/** As kubectl words it. Source: cli-runtime `resource/selector.go`. */
function listError(error: StatusError, { mapping }: Target, { selector, fieldSelector }: Selection): StatusError {
  if (error.reason !== 'BadRequest' && error.reason !== 'NotFound') return error;
  const type = `${mapping.group}/${mapping.version}, Resource=${mapping.resource}`;
  const which = `that match label selector ${JSON.stringify(selector ?? '')}, field selector ${JSON.stringify(fieldSelector ?? '')}`;
  const lead = selector || fieldSelector ? `Unable to find "${type}" ${which}` : `Unable to list "${type}"`;
  return StatusError.from({ ...error.status, message: `${lead}: ${error.message}` });
}

/** All objects of a target that names a resource, each with its apiVersion and kind, and the version that a watch goes on from. */
export async function listAll(
  context: KubectlContext,
  target: Target,
  selection: Selection,
  chunkSize = chunkSizeDefault,
): Promise<{ readonly objects: readonly JsonObject[]; readonly resourceVersion: string }> {
  const type = { apiVersion: groupVersion(target.mapping), kind: target.mapping.kind };
  const objects: JsonObject[] = [];
  let resourceVersion = '';
  for await (const page of listPages(context, target, { selection, chunkSize })) {
    resourceVersion ||= digText(page, 'metadata', 'resourceVersion');
    for (const item of digList(page, 'items')) objects.push({ ...type, ...item });
  }
  return { objects, resourceVersion };
}

/** The objects of a target, read in pages. */
export async function listObjects(
  context: KubectlContext,
  target: Target,
  selection: Selection,
): Promise<readonly JsonObject[]> {
  return (await listAll(context, target, selection)).objects;
}

/** The objects that targets and a selection stand for, each with the target it is by itself. */
export async function resolveObjects(
  context: KubectlContext,
  targets: readonly Target[],
  selection: Selection,
): Promise<readonly { readonly target: Target; readonly object: JsonObject }[]> {
  const found: { target: Target; object: JsonObject }[] = [];
  for (const target of targets) {
    if (target.name !== undefined) {
      found.push({ target, object: await getObject(context, target) });
      continue;
    }
    for (const object of await listObjects(context, target, selection))
      found.push({ target: targetOf(target.mapping, object), object });
  }
  return found;
}

/** The target that an object is. */
export function targetOf(mapping: Mapping, object: JsonObject): Target {
  const namespace = digText(object, 'metadata', 'namespace');
  return { mapping, name: digText(object, 'metadata', 'name'), ...(mapping.namespaced ? { namespace } : {}) };
}

/** `deployment.apps/web`. */
export function targetName(target: Target): string {
  return `${kindName(target.mapping)}/${target.name ?? ''}`;
}
