/** `set` and the commands within it; `set image` is here. Source: kubectl `cmd/set/set_image.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList, digText } from './api.ts';
import type { KubectlContext } from './context.ts';
import { podSpecPath } from './pod-specs.ts';
import { selectorFlags, setSelector, setSubject, subjectFlags } from './set-others.ts';
import {
  changeTemplates,
  envFlags,
  resourceFlags,
  type SpecChange,
  setEnv,
  setResources,
  setServiceAccount,
  type TemplateValues,
  templateFlags,
} from './set-template.ts';
import { group } from './subcommand.ts';

/** Stands for every container. */
const wildcard = '*';

/** The command and those within it. */
export const setCommand = group('set', 'Configure application resources.', {
  env: { summary: 'Variables of a pod template.', usage: 'env TYPE/NAME KEY=value', flags: envFlags, run: setEnv },
  image: {
    summary: 'Images of a pod template.',
    usage: 'image TYPE/NAME CONTAINER=IMAGE',
    flags: templateFlags,
    run: setImage,
  },
  resources: {
    summary: 'Requests and limits of a pod template.',
    usage: 'resources TYPE/NAME --limits=cpu=1',
    flags: resourceFlags,
    run: setResources,
  },
  selector: {
    summary: 'Selector of a service.',
    usage: 'selector TYPE/NAME a=b',
    flags: selectorFlags,
    run: setSelector,
  },
  serviceaccount: {
    summary: 'Service account of a pod template.',
    usage: 'serviceaccount TYPE/NAME ACCOUNT',
    flags: templateFlags,
    run: setServiceAccount,
    aliases: ['sa'],
  },
  subject: {
    summary: 'Subjects of a role binding.',
    usage: 'subject TYPE/NAME --user=USER',
    flags: subjectFlags,
    run: setSubject,
  },
});

async function setImage(context: KubectlContext, values: TemplateValues, args: readonly string[]): Promise<number> {
  const { words, images } = parsePairs(args);
  if (values.all && values.selector !== '')
    throw new UserError('error: cannot set --all and --selector at the same time');
  if (images.size === 0) throw new UserError('error: at least one image update is required');
  if (images.size > 1 && images.has(wildcard))
    throw new UserError(
      'error: all containers are already specified by *, but saw more than one container_name=container_image pairs',
    );
  const missing: string[] = [];
  const change: SpecChange = (object, target) => {
    const { changed, known } = imageChanges(object, podSpecPath(target), images);
    missing.push(...[...images.keys()].filter((name) => name !== wildcard && !known.has(name)));
    return Object.keys(changed).length === 0 ? undefined : changed;
  };
  const code = await changeTemplates(context, values, { words, change, done: 'image updated' });
  for (const name of missing) context.complain(`error: unable to find container named "${name}"`);
  return missing.length > 0 ? 1 : code;
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

function imageChanges(object: JsonObject, path: readonly string[], images: ReadonlyMap<string, string>) {
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
  return { changed, known };
}
