/** `run`: a pod of one image, and its terminal if that is wished. Source: kubectl `cmd/run/run.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import {
  duration,
  type FlagTable,
  type FlagValues,
  integer,
  list,
  repeated,
  text,
  toggle,
} from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList, digNumber, digText } from './api.ts';
import { beforeDash, type KubectlContext } from './context.ts';
import { kindName, pathOf } from './discovery.ts';
import { UsageError } from './errors.ts';
import { attachTo } from './exec.ts';
import { type GeneratorValues, generatorFlags, makeObject, requireFlags } from './generator.ts';
import { overridden } from './overrides.ts';
import { labelsOf, pairsOf } from './pairs.ts';
import { podWhen } from './pod-states.ts';
import { drySuffix, ResultPrinter } from './printing.ts';

/** The flags of the command. */
export const runFlags = {
  ...generatorFlags('kubectl-run'),
  annotations: repeated({ help: 'An annotation.', placeholder: 'key=value' }),
  attach: toggle({ help: 'Attach to the container once it runs.' }),
  cascade: text({ help: 'What becomes of dependents, with --rm.', fallback: 'background' }),
  command: toggle({ help: 'The words are the command, not its arguments.' }),
  env: repeated({ help: 'A variable.', placeholder: 'KEY=value' }),
  expose: toggle({ help: 'Make a service too.' }),
  force: toggle({ help: 'With --rm, delete at once.' }),
  'grace-period': integer({ help: 'With --rm, seconds of grace.', fallback: -1, min: -1 }),
  image: text({ help: 'Image of the container.', placeholder: 'image' }),
  'image-pull-policy': text({ help: 'When the image is pulled.', placeholder: 'policy' }),
  labels: text({ help: 'Labels of the pod.', short: 'l', placeholder: 'key=value,…' }),
  'leave-stdin-open': toggle({ help: 'The input stays open when the first who attached has gone.' }),
  overrides: text({ help: 'JSON that is merged into the pod.', placeholder: 'json' }),
  'override-type': text({ help: 'How it is merged.', fallback: 'merge', placeholder: 'json|merge|strategic' }),
  'pod-running-timeout': duration({ help: 'Longest wait for the pod to run.', fallback: 60_000 }),
  port: list({ help: 'Port of the container.', placeholder: 'port' }),
  privileged: toggle({ help: 'The container may do what the machine may.' }),
  quiet: toggle({ help: 'Say nothing of its own.', short: 'q' }),
  restart: text({ help: 'Restart policy.', fallback: 'Always', placeholder: 'Always|OnFailure|Never' }),
  rm: toggle({ help: 'Delete the pod when it is done.' }),
  stdin: toggle({ help: 'The container has an input.', short: 'i' }),
  timeout: duration({ help: 'Taken and not used.', fallback: 0 }),
  tty: toggle({ help: 'The container has a terminal.', short: 't' }),
  wait: toggle({ help: 'Taken and not used.' }),
} satisfies FlagTable;

type Values = FlagValues<typeof runFlags> & GeneratorValues;

/** Runs the command; resolves to its exit code, or that of what was attached to. */
export async function runPod(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  const [name = '', ...more] = beforeDash(context, args);
  const words = [...more, ...(context.afterDash ?? [])];
  check(context, values, name);
  const printer = new ResultPrinter(context, values);
  if (values.expose) await makeService(context, values, { name, printer });
  const [mapping] = await context.discovery.resolve('pods');
  const pod = overridden(podOf(values, name, words), values);
  const isAttached = values.attach || values.stdin;
  if (values['dry-run'] !== 'none' || !isAttached) {
    const separator = values.expose && values.output === 'yaml' ? '---\n' : '';
    context.print(separator);
    return makeObject(context, values, { mapping, object: pod }, printer);
  }
  const namespace = values.namespace || context.api.namespace;
  const { object } = await context.api.call({
    method: 'POST',
    path: pathOf(mapping, namespace),
    query: { fieldManager: values['field-manager'] },
    body: pod,
  });
  try {
    return await attachAndFollow(context, values, { mapping, namespace, name: digText(object, 'metadata', 'name') });
  } finally {
    if (values.rm) {
      await context.api.call({ method: 'DELETE', path: pathOf(mapping, namespace, name) }).catch(() => undefined);
      if (!values.quiet) context.print(`${kindName(mapping)} "${name}" deleted from ${namespace} namespace\n`);
    }
  }
}

function check(context: KubectlContext, values: Values, name: string): void {
  requireFlags(context, ['image']);
  if (name === '') throw new UsageError('error: NAME is required for run');
  if (values.image === '') throw new UserError('error: --image is required');
  if (values.expose && values.port.length === 0)
    throw new UserError('error: --port must be set when exposing a service');
  if (values.tty && !values.stdin)
    throw new UserError('error: -i/--stdin is required for containers with -t/--tty=true');
  const isAttached = values.attach || values.stdin;
  if (values.rm && !isAttached) throw new UserError('error: --rm should only be used for attached containers');
  if (isAttached && values['dry-run'] !== 'none' && values.rm)
    throw new UserError(
      "error: --dry-run=server|client can't be used with attached containers options (--attach, --stdin, or --tty)",
    );
  if (!['Always', 'OnFailure', 'Never'].includes(values.restart))
    throw new UserError(`error: invalid restart policy: ${values.restart}`);
  if (!['', 'Always', 'IfNotPresent', 'Never'].includes(values['image-pull-policy']))
    throw new UserError(`error: invalid image pull policy: ${values['image-pull-policy']}`);
}

function labelsFor(values: Values, name: string): Readonly<Record<string, string>> {
  return values.labels === '' ? { run: name } : labelsOf(values.labels);
}

function podOf(values: Values, name: string, words: readonly string[]): JsonObject {
  const annotations = Object.fromEntries(pairsOf(values.annotations));
  const env = pairsOf(values.env).map(([key, value]) => ({ name: key, value }));
  const called = words.length === 0 ? {} : values.command ? { command: words } : { args: words };
  const container = {
    ...called,
    ...(env.length === 0 ? {} : { env }),
    image: values.image,
    ...(values['image-pull-policy'] === '' ? {} : { imagePullPolicy: values['image-pull-policy'] }),
    name,
    ...(values.port.length === 0 ? {} : { ports: values.port.map((port) => ({ containerPort: Number(port) })) }),
    resources: {},
    ...(values.privileged ? { securityContext: { privileged: true } } : {}),
    ...(values.stdin ? { stdin: true } : {}),
    ...(values.stdin && !values['leave-stdin-open'] ? { stdinOnce: true } : {}),
    ...(values.tty ? { tty: true } : {}),
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...(values.annotations.length === 0 ? {} : { annotations }),
      labels: labelsFor(values, name),
      name,
    },
    spec: { containers: [container], dnsPolicy: 'ClusterFirst', restartPolicy: values.restart },
    status: {},
  };
}

async function makeService(
  context: KubectlContext,
  values: Values,
  { name, printer }: { readonly name: string; readonly printer: ResultPrinter },
): Promise<void> {
  const labels = labelsFor(values, name);
  const [port = ''] = values.port;
  const object = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...(values.labels === '' ? {} : { labels }), name },
    spec: { ports: [{ port: Number(port), protocol: 'TCP', targetPort: Number(port) }], selector: labels },
    status: { loadBalancer: {} },
  };
  const [mapping] = await context.discovery.resolve('services');
  await makeObject(context, values, { mapping, object }, printer);
  if (values.output === 'yaml' && drySuffix(values['dry-run']) !== '') context.print('---\n');
}

/** Attaches once the container runs, or shows the log of one that has ended; then says how it ended. */
async function attachAndFollow(
  context: KubectlContext,
  values: Values,
  place: { readonly mapping: Parameters<typeof pathOf>[0]; readonly namespace: string; readonly name: string },
): Promise<number> {
  const timeoutMs = values['pod-running-timeout'];
  const started = await podWhen(context, place, {
    timeoutMs,
    holds: (pod) => digText(pod, 'status', 'phase') !== 'Pending',
  });
  if (digText(started, 'status', 'phase') === 'Running') {
    const code = await attachTo(context, { ...values, container: '' }, { ...place, pod: started });
    if (values.restart === 'Always') return code;
  } else {
    const path = pathOf(place.mapping, place.namespace, place.name, 'log');
    for await (const chunk of await context.api.stream({ method: 'GET', path, accept: '*/*' }))
      await context.machine.writeBytes(chunk);
  }
  if (values.restart !== 'Never') return 0;
  const isOver = (pod: JsonObject): boolean => ['Failed', 'Succeeded'].includes(digText(pod, 'status', 'phase'));
  const ended = await podWhen(context, place, { timeoutMs, holds: isOver });
  const [status] = digList(ended, 'status', 'containerStatuses');
  const code = digNumber(status, ['state', 'terminated', 'exitCode']);
  if (code !== 0)
    context.complain(
      `pod ${place.namespace}/${place.name} terminated (${digText(status, 'state', 'terminated', 'reason')})`,
    );
  return code;
}
