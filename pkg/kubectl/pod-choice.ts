/** The pod and the container that a command is for, where its arguments name a workload, or no container. Source: kubectl `polymorphichelpers`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList, digText } from './api.ts';
import type { KubectlContext } from './context.ts';
import type { Mapping } from './discovery.ts';
import { selectorText } from './logs.ts';
import { getObject, listObjects, parseTargets } from './targets.ts';

/** A pod, and where it is. */
export interface ChosenPod {
  readonly mapping: Mapping;
  readonly namespace: string;
  readonly name: string;
  readonly pod: JsonObject;
}

/** The pod that a word means: itself, or the first running one of a workload or service. Throws what the API answers. */
export async function choosePod(
  context: KubectlContext,
  values: { readonly namespace: string },
  word: string,
): Promise<ChosenPod> {
  const [mapping] = await context.discovery.resolve('pods');
  const namespace = values.namespace || context.api.namespace;
  const [target = { mapping, name: word, namespace }] = word.includes('/')
    ? await parseTargets(context, [word], { namespace })
    : [];
  const object = await getObject(context, target);
  if (target.mapping.resource === 'pods') return { mapping, namespace, name: target.name ?? word, pod: object };
  const selector = selectorText({ kind: target.mapping.kind, ...object });
  if (selector === '')
    throw new UserError(
      `error: cannot attach to *${target.mapping.version}.${target.mapping.kind}: selector for it not implemented`,
    );
  const pods = await listObjects(context, { mapping, namespace }, { selector });
  const [first] = pods.toSorted((a, b) => rank(a) - rank(b));
  if (first === undefined) throw new UserError(`error: timed out waiting for the condition`);
  return { mapping, namespace, name: digText(first, 'metadata', 'name'), pod: first };
}

function rank(pod: JsonObject): number {
  return digText(pod, 'status', 'phase') === 'Running' ? 0 : 1;
}

/** The container to take: the one that is named, that an annotation names, or the first, which is then said unless `isQuiet`. */
export function chooseContainer(
  context: KubectlContext,
  { pod, name: podName }: ChosenPod,
  { name, isQuiet = false }: { readonly name: string; readonly isQuiet?: boolean },
): string {
  if (name !== '') return name;
  const names = (field: string): readonly string[] => digList(pod, 'spec', field).map((one) => digText(one, 'name'));
  const [plain, init, ephemeral] = [names('containers'), names('initContainers'), names('ephemeralContainers')];
  const preferred = digText(pod, 'metadata', 'annotations', 'kubectl.kubernetes.io/default-container');
  if ([...plain, ...init, ...ephemeral].includes(preferred)) return preferred;
  if (preferred !== '') context.complain(`Default container name "${preferred}" not found in pod ${podName}`);
  const [first = ''] = plain;
  if (plain.length + init.length + ephemeral.length > 1 && !isQuiet) {
    const shown = [...plain, ...ephemeral.map((one) => `${one} (ephem)`), ...init.map((one) => `${one} (init)`)];
    context.complain(`Defaulted container "${first}" out of: ${shown.join(', ')}`);
  }
  return first;
}

/** Refuses a pod that has ended. */
export function checkRunning({ pod, name }: ChosenPod, doing: string): void {
  const phase = digText(pod, 'status', 'phase');
  if (phase === 'Succeeded' || phase === 'Failed')
    throw new UserError(`error: cannot ${doing} a completed pod; current phase is ${phase}`);
  if (name === '') throw new StatusError({ code: 404, reason: 'NotFound', message: 'pods "" not found' });
}
