/** `logs`: of a pod, of the pods of a workload, or of the pods that a selector finds. */

import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { duration, type FlagTable, type FlagValues, integer, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList, digMap, digText, digTexts, linesOf } from './api.ts';
import { type KubectlContext, selectorFlag } from './context.ts';
import { type Mapping, pathOf } from './discovery.ts';
import { UsageError } from './errors.ts';
import { getObject, listObjects, parseTargets } from './targets.ts';

/** `--tail` when the command line does not name it. */
const tailNotGiven = -2;
/** Lines of each log when a selector finds many. Source: kubectl `cmd/logs/logs.go`. */
const selectorTail = 10;

/** The flags of `logs`. */
export const logsFlags = {
  container: text({ help: 'Name of the container.', short: 'c', placeholder: 'name' }),
  'all-containers': toggle({ help: 'All containers of the pod.' }),
  follow: toggle({ help: 'Go on with new lines as they come.', short: 'f' }),
  previous: toggle({ help: 'Of the container that ran before the present one.', short: 'p' }),
  prefix: toggle({ help: 'Name the pod and container before each line.' }),
  selector: selectorFlag,
  since: duration({ help: 'Only lines younger than this.', fallback: 0 }),
  tail: integer({
    help: 'Only that many of the last lines; -1 for all, which is the default unless a selector is given: then it is 10.',
    fallback: tailNotGiven,
    min: -1,
  }),
  timestamps: toggle({ help: 'Begin each line with its time.' }),
  'limit-bytes': integer({ help: 'Most bytes to show; 0 for no limit.', fallback: 0 }),
  'max-log-requests': integer({ help: 'Most logs that are followed at once.', fallback: 5, min: 1 }),
} satisfies FlagTable;

type Values = FlagValues<typeof logsFlags> & { namespace: string };

interface Source {
  readonly mapping: Mapping;
  readonly pod: JsonObject;
  readonly container: string;
}

/** Runs the command; resolves to its exit code, with `-f` once all logs have ended. */
export async function logs(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  const sources = await findSources(context, values, args);
  if (sources.length === 0) {
    context.complain(`No resources found in ${values.namespace || context.api.namespace} namespace.`);
    return 0;
  }
  if (values.follow && sources.length > values['max-log-requests']) {
    throw new UserError(
      `error: you are attempting to follow ${sources.length} log streams, but maximum allowed concurrency is ${values['max-log-requests']}, use --max-log-requests to increase the limit`,
    );
  }
  if (values.follow) await Promise.all(sources.map((source) => show(context, values, source)));
  else for (const source of sources) await show(context, values, source);
  return 0;
}

async function findSources(
  context: KubectlContext,
  values: Values,
  args: readonly string[],
): Promise<readonly Source[]> {
  const [mapping] = await context.discovery.resolve('pods');
  const namespace = values.namespace === '' ? context.api.namespace : values.namespace;
  let pods: readonly JsonObject[];
  if (values.selector !== '') {
    pods = await listObjects(context, { mapping: mapping, namespace }, { selector: values.selector });
  } else {
    if (args.length === 0)
      throw new UsageError(
        "error: expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command",
      );
    pods = [await podOf(context, mapping, namespace, args)];
  }
  return pods.flatMap((pod) =>
    containersOf(context, values, pod, args).map((container) => ({ mapping: mapping, pod, container })),
  );
}

/** The pod an argument means: itself, or for a workload the first of its pods. */
async function podOf(
  context: KubectlContext,
  mapping: Mapping,
  namespace: string,
  args: readonly string[],
): Promise<JsonObject> {
  const [argument = ''] = args;
  const own = { mapping, name: argument, namespace };
  const [target = own] = argument.includes('/') ? await parseTargets(context, [argument], { namespace }) : [];
  const object = await getObject(context, target).catch((error: unknown) => {
    if (!(error instanceof StatusError) || error.reason !== 'NotFound') throw error;
    throw new UserError(`error: error from server (NotFound): ${error.message} in namespace "${namespace}"`, error);
  });
  if (target.mapping.resource === 'pods') return object;
  const selector = selectorText({ kind: target.mapping.kind, ...object });
  if (selector === '') {
    const { kind } = target.mapping;
    throw new UserError(`error: cannot get the logs from ${kind}: selector for ${kind} not implemented`);
  }
  const pods = await listObjects(context, { mapping, namespace }, { selector });
  const [first] = pods.toSorted((a, b) =>
    digText(a, 'metadata', 'creationTimestamp').localeCompare(digText(b, 'metadata', 'creationTimestamp')),
  );
  if (first === undefined) throw new UserError(`error: no pods found for ${argument}`);
  if (pods.length > 1) context.complain(`Found ${pods.length} pods, using pod/${digText(first, 'metadata', 'name')}`);
  return first;
}

/** The label selector of a workload or service as text. */
export function selectorText(object: JsonObject): string {
  const labels = digMap(object, 'spec', 'selector', 'matchLabels');
  const plain =
    object.kind === 'Service' || object.kind === 'ReplicationController' ? digMap(object, 'spec', 'selector') : labels;
  const parts = Object.entries(plain).map(([key, value]) => `${key}=${String(value)}`);
  for (const rule of digList(object, 'spec', 'selector', 'matchExpressions')) {
    const key = digText(rule, 'key');
    const values = digTexts(rule, 'values').join(',');
    if (rule.operator === 'In') parts.push(`${key} in (${values})`);
    else if (rule.operator === 'NotIn') parts.push(`${key} notin (${values})`);
    else parts.push(rule.operator === 'Exists' ? key : `!${key}`);
  }
  return parts.join(',');
}

/** Containers whose logs are shown of a pod: all of them, the one that is named, or the one to take when none is. */
function containersOf(
  context: KubectlContext,
  values: Values,
  pod: JsonObject,
  args: readonly string[],
): readonly string[] {
  const namesOf = (field: string): readonly string[] =>
    digList(pod, 'spec', field).map((container) => digText(container, 'name'));
  const [plain, init, ephemeral] = [namesOf('containers'), namesOf('initContainers'), namesOf('ephemeralContainers')];
  if (values['all-containers']) return [...init, ...plain, ...ephemeral];
  const all = [...plain, ...init, ...ephemeral];
  const podName = digText(pod, 'metadata', 'name');
  const named = values.container || (values.selector === '' ? args[1] : undefined);
  if (named !== undefined) {
    if (!all.includes(named)) throw new UserError(`error: container ${named} is not valid for pod ${podName}`);
    return [named];
  }
  const preferred = digText(pod, 'metadata', 'annotations', 'kubectl.kubernetes.io/default-container');
  if (all.includes(preferred)) return [preferred];
  if (preferred !== '') context.complain(`Default container name "${preferred}" not found in pod ${podName}`);
  const [first = ''] = plain;
  if (all.length > 1) {
    const shown = [...plain, ...init.map((name) => `${name} (init)`), ...ephemeral.map((name) => `${name} (ephem)`)];
    context.complain(`Defaulted container "${first}" out of: ${shown.join(', ')}`);
  }
  return [first];
}

async function show(context: KubectlContext, values: Values, source: Source): Promise<void> {
  const name = digText(source.pod, 'metadata', 'name');
  const path = pathOf(source.mapping, digText(source.pod, 'metadata', 'namespace'), name, 'log');
  const tail = values.tail === tailNotGiven && values.selector !== '' ? selectorTail : values.tail;
  const query = {
    container: source.container,
    follow: values.follow ? 'true' : undefined,
    previous: values.previous ? 'true' : undefined,
    timestamps: values.timestamps ? 'true' : undefined,
    sinceSeconds: values.since > 0 ? String(Math.ceil(values.since / 1000)) : undefined,
    tailLines: tail >= 0 ? String(tail) : undefined,
    limitBytes: values['limit-bytes'] > 0 ? String(values['limit-bytes']) : undefined,
  };
  try {
    const chunks = await context.api.stream({ method: 'GET', path, query, accept: '*/*', signal: context.signal });
    if (values.prefix)
      for await (const line of linesOf(chunks)) context.print(`[pod/${name}/${source.container}] ${line}\n`);
    else {
      const decoder = new TextDecoder();
      for await (const chunk of chunks) context.print(decoder.decode(chunk, { stream: true }));
    }
  } catch (error) {
    if (!context.signal.aborted) throw error;
  }
}
