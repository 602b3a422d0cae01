/** `set image`: another image for containers of a pod template. Source: kubectl `cmd/set/set_image.go`. */

import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { type FlagTable, type FlagValues, list, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList, digText } from './api.ts';
import { type KubectlContext, selectorFlag } from './context.ts';
import { pathOf } from './discovery.ts';
import { UsageError } from './errors.ts';
import { parseTargets, resolveObjects, type Target, targetName, targetOptions } from './targets.ts';

/** The flags of `set`. */
export const setFlags = {
  filename: list({ help: 'Files that name the objects.', short: 'f', placeholder: 'file' }),
  selector: selectorFlag,
  all: toggle({ help: 'All objects of the resource in the namespace.' }),
  'dry-run': text({ help: 'Only say what would be done.', fallback: 'none', allowed: ['none', 'server'] }),
} satisfies FlagTable;

type Values = FlagValues<typeof setFlags> & { namespace: string };

/** Where the pod spec of each kind is that has one. */
const podSpecPaths: Readonly<Record<string, readonly string[]>> = {
  Pod: ['spec'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template', 'spec'],
  DaemonSet: ['spec', 'template', 'spec'],
  Deployment: ['spec', 'template', 'spec'],
  Job: ['spec', 'template', 'spec'],
  ReplicaSet: ['spec', 'template', 'spec'],
  ReplicationController: ['spec', 'template', 'spec'],
  StatefulSet: ['spec', 'template', 'spec'],
};

/** Stands for every container. */
const wildcard = '*';

/** Runs the command; resolves to its exit code. Throws `UserError` and what the API answers. */
export async function set(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  const [what = '', ...rest] = args;
  if (what !== 'image')
    throw new UsageError(what === '' ? 'error: set needs image' : `error: unknown command "${args.join(' ')}"`);
  const { words, images } = parsePairs(rest);
  if (values.all && values.selector !== '')
    throw new UserError('error: cannot set --all and --selector at the same time');
  if (images.size === 0) throw new UserError('error: at least one image update is required');
  if (images.size > 1 && images.has(wildcard))
    throw new UserError(
      'error: all containers are already specified by *, but saw more than one container_name=container_image pairs',
    );
  const targets = await parseTargets(context, words, targetOptions(values));
  if (targets.some((target) => target.name === undefined) && !values.all && values.selector === '')
    throw new UserError('error: resource(s) were provided, but no name was specified');
  let code = 0;
  for (const { target, object } of await resolveObjects(context, targets, { selector: values.selector }))
    code = Math.max(code, await setImages(context, values, images, { target, object }));
  return code;
}

/** Words that name objects, and after them `container=image`. */
function parsePairs(args: readonly string[]): {
  readonly words: readonly string[];
  readonly images: ReadonlyMap<string, string>;
} {
  const words: string[] = [];
  const images = new Map<string, string>();
  for (const argument of args) {
    const equals = argument.indexOf('=');
    if (equals > 0) images.set(argument.slice(0, equals), argument.slice(equals + 1));
    else if (images.size === 0) words.push(argument);
    else throw new UserError(`error: all resources must be specified before image changes: ${argument}`);
  }
  return { words, images };
}

async function setImages(
  context: KubectlContext,
  values: Values,
  images: ReadonlyMap<string, string>,
  { target, object }: { readonly target: Target; readonly object: JsonObject },
): Promise<number> {
  const { kind, resource, version } = target.mapping;
  const path = podSpecPaths[kind];
  if (path === undefined) {
    const what = 'the object is not a pod or does not have a pod template';
    throw new UserError(`error: ${resource}/${target.name} ${what}: *${version}.${kind}`);
  }
  const known = new Set<string>();
  const changed: Record<string, readonly JsonObject[]> = {};
  for (const field of ['initContainers', 'containers']) {
    const wanted = digList(object, ...path, field).flatMap((container) => {
      const name = digText(container, 'name');
      known.add(name);
      const image = images.get(name) ?? images.get(wildcard);
      return image === undefined || image === container.image ? [] : [{ name, image }];
    });
    if (wanted.length > 0) changed[field] = wanted;
  }
  if (Object.keys(changed).length > 0) {
    await patchImages(
      context,
      values,
      target,
      path.reduceRight<JsonObject>((inner, step) => ({ [step]: inner }), changed),
    );
    context.print(`${targetName(target)} image updated${values['dry-run'] === 'server' ? ' (server dry run)' : ''}\n`);
  }
  const missing = [...images.keys()].filter((name) => name !== wildcard && !known.has(name));
  for (const name of missing) context.complain(`error: unable to find container named "${name}"`);
  return missing.length > 0 ? 1 : 0;
}

async function patchImages(context: KubectlContext, values: Values, target: Target, body: JsonObject): Promise<void> {
  try {
    await context.api.call({
      method: 'PATCH',
      path: pathOf(target.mapping, target.namespace, target.name),
      query: { fieldManager: 'kubectl-set', dryRun: values['dry-run'] === 'server' ? 'All' : undefined },
      body,
      contentType: 'application/strategic-merge-patch+json',
    });
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    throw new UserError(`error: failed to patch image update to pod template: ${error.message}`);
  }
}
