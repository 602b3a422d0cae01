/** From the arguments of a command to the objects it is about. */

import { UserError } from '#cmd/common/errors.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { digList, digText } from './api.ts';
import type { KubectlContext } from './context.ts';
import { groupVersion, kindName, type Mapping, pathOf } from './discovery.ts';
import { readDocuments } from './files.ts';

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

export interface TargetOptions {
  readonly namespace?: string;
  readonly files?: readonly string[];
  readonly recursive?: boolean;
}

/** `pods`, `pods a b`, `pods,services`, `pod/a deploy/b`, `all`, or `-f` files. */
export async function parseTargets(
  context: KubectlContext,
  args: readonly string[],
  options: TargetOptions,
): Promise<readonly Target[]> {
  const namespace = options.namespace ?? context.api.namespace;
  if (options.files !== undefined && options.files.length > 0) {
    if (args.length > 0)
      throw new UserError(
        'error: when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well',
      );
    return fileTargets(context, options, namespace);
  }
  if (args.length === 0)
    throw new UserError('error: you must specify the type of resource, such as pods or deployment/web');
  if (args.some((argument) => argument.includes('/'))) {
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

async function slashTarget(context: KubectlContext, argument: string, namespace: string): Promise<readonly Target[]> {
  const [type, name, ...more] = argument.split('/');
  if (!type || !name || more.length > 0) {
    throw new UserError('error: arguments in resource/name form must have a single resource and name');
  }
  const mappings = await context.discovery.resolve(type);
  return mappings.map((mapping) => ({ mapping, name, ...(mapping.namespaced ? { namespace } : {}) }));
}

async function fileTargets(
  context: KubectlContext,
  options: TargetOptions,
  fallback: string,
): Promise<readonly Target[]> {
  const documents = await readDocuments(options.files ?? [], {
    recursive: options.recursive ?? false,
    readStdin: context.readStdin,
  });
  const targets: Target[] = [];
  for (const { document, source } of documents) {
    const mapping = await context.discovery.ofKind(
      digText(document, 'apiVersion'),
      digText(document, 'kind'),
      `"${source}"`,
    );
    const own = digText(document, 'metadata', 'namespace');
    if (own !== '' && options.namespace !== undefined && own !== options.namespace) {
      throw new UserError(
        `error: the namespace from the provided object "${own}" does not match the namespace "${options.namespace}". You must pass '--namespace=${own}' to perform this operation.`,
      );
    }
    const name = digText(document, 'metadata', 'name');
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

/** The object of a target that names one. */
export async function getObject(context: KubectlContext, target: Target): Promise<JsonObject> {
  const path = pathOf(target.mapping, target.namespace, target.name);
  return (await context.api.call({ method: 'GET', path })).object;
}

export interface Selection {
  readonly selector?: string;
  readonly fieldSelector?: string;
  readonly allNamespaces?: boolean;
}

/** Query parameters of a selection. */
export function selectionQuery(selection: Selection): Record<string, string | undefined> {
  return { labelSelector: selection.selector || undefined, fieldSelector: selection.fieldSelector || undefined };
}

/** All objects of a target that names a resource, each with its apiVersion and kind. */
export async function listObjects(
  context: KubectlContext,
  target: Target,
  selection: Selection,
): Promise<readonly JsonObject[]> {
  const path = pathOf(target.mapping, selection.allNamespaces ? undefined : target.namespace);
  const { object } = await context.api.call({ method: 'GET', path, query: selectionQuery(selection) });
  const type = { apiVersion: groupVersion(target.mapping), kind: target.mapping.kind };
  return digList(object, 'items').map((item) => ({ ...type, ...item }));
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
