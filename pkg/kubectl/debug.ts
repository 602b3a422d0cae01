/**
 * `debug`: a container beside those of a pod, a changed copy of the pod, or a pod on a node. Source: kubectl `cmd/debug/debug.go`, `profiles.go`.
 */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type FlagTable, type FlagValues, list, repeated, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList, digMap, digText } from './api.ts';
import { beforeDash, type KubectlContext } from './context.ts';
import { pathOf } from './discovery.ts';
import { attachTo } from './exec.ts';
import { pairsOf } from './pairs.ts';
import type { ChosenPod } from './pod-choice.ts';
import { podWhen } from './pod-states.ts';
import { getObject, parseTargets, type Target } from './targets.ts';

/** The flags of the command. */
export const debugFlags = {
  'arguments-only': toggle({ help: 'The words are arguments, not the command.' }),
  attach: toggle({ help: 'Attach to the container once it runs.' }),
  container: text({ help: 'Name of the container.', short: 'c', placeholder: 'name' }),
  'copy-to': text({ help: 'Make a copy of the pod by this name.', placeholder: 'name' }),
  env: repeated({ help: 'A variable.', placeholder: 'KEY=value' }),
  image: text({ help: 'Image of the container.', placeholder: 'image' }),
  'image-pull-policy': text({ help: 'When the image is pulled.', placeholder: 'policy' }),
  profile: text({
    help: 'What the container may do.',
    fallback: 'general',
    allowed: ['legacy', 'general', 'baseline', 'netadmin', 'restricted', 'sysadmin'],
  }),
  quiet: toggle({ help: 'Say nothing of its own.', short: 'q' }),
  replace: toggle({ help: 'With --copy-to, delete the pod that is copied.' }),
  'same-node': toggle({ help: 'With --copy-to, on the same node.' }),
  'set-image': list({ help: 'With --copy-to, images of its containers.', placeholder: 'container=image' }),
  'share-processes': toggle({ help: 'With --copy-to, containers see each other.', fallback: true }),
  stdin: toggle({ help: 'The container has an input.', short: 'i' }),
  target: text({ help: 'Container whose processes it sees.', placeholder: 'name' }),
  tty: toggle({ help: 'The container has a terminal.', short: 't' }),
} satisfies FlagTable;

type Values = FlagValues<typeof debugFlags> & { readonly namespace: string };

/** Longest wait for the container to run. */
const startTimeoutMs = 60_000;
const suffixLetters = 'bcdfghjklmnpqrstvwxz2456789';

/** Runs the command; resolves to its exit code. */
export async function debug(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  const names = beforeDash(context, args);
  if (names.length === 0) throw new UserError('error: NAME or TYPE/NAME is required for debug');
  if (values['copy-to'] === '' && values.image === '')
    throw new UserError('error: you must specify --image when not using --copy-to.');
  if (values.tty && !values.stdin)
    throw new UserError('error: -i/--stdin is required for containers with -t/--tty=true');
  const words = names.map((name) => (name.includes('/') ? name : `pods/${name}`));
  const options = values.namespace === '' ? {} : { namespace: values.namespace };
  let code = 0;
  for (const target of await parseTargets(context, words, options)) {
    const object = await getObject(context, target);
    const { pod, container } = await debugOne(context, values, { target, object });
    const isAttached = context.given.has('attach') ? values.attach : values.stdin;
    if (!isAttached) continue;
    const started = await podWhen(context, pod, {
      timeoutMs: startTimeoutMs,
      holds: (one) => hasStarted(one, container),
    });
    code = Math.max(code, await attachTo(context, { ...values, container }, { ...pod, pod: started }));
  }
  return code;
}

interface Subject {
  readonly target: Target;
  readonly object: JsonObject;
}

interface Debugged {
  readonly pod: ChosenPod;
  readonly container: string;
}

function debugOne(context: KubectlContext, values: Values, subject: Subject): Promise<Debugged> {
  const { kind, resource, group } = subject.target.mapping;
  if (kind === 'Node') return debugNode(context, values, subject);
  if (kind !== 'Pod')
    throw new UserError(`error: "${resource}${group === '' ? '' : `.${group}`}" not supported by debug`);
  return values['copy-to'] === '' ? addEphemeral(context, values, subject) : copyPod(context, values, subject);
}

function hasStarted(pod: JsonObject, container: string): boolean {
  const statuses = ['containerStatuses', 'ephemeralContainerStatuses'].flatMap((field) =>
    digList(pod, 'status', field),
  );
  const { running, terminated } = digMap(
    statuses.find((one) => digText(one, 'name') === container),
    'state',
  );
  return running !== undefined || terminated !== undefined;
}

/** A name that no container of the pod has. */
function freeName(values: Values, object: JsonObject): string {
  if (values.container !== '') return values.container;
  const used = ['containers', 'initContainers', 'ephemeralContainers'].flatMap((field) =>
    digList(object, 'spec', field),
  );
  for (;;) {
    const name = `debugger-${randomSuffix()}`;
    if (!used.some((one) => digText(one, 'name') === name)) return name;
  }
}

function randomSuffix(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(5));
  return Array.from(bytes, (byte) => suffixLetters[byte % suffixLetters.length]).join('');
}

function containerOf(context: KubectlContext, values: Values, name: string): JsonObject {
  const words = context.afterDash ?? [];
  const called = words.length === 0 ? {} : values['arguments-only'] ? { args: words } : { command: words };
  const env = pairsOf(values.env).map(([key, value]) => ({ name: key, value }));
  const security = securityOf(values.profile);
  return {
    name,
    image: values.image,
    ...called,
    ...(env.length === 0 ? {} : { env }),
    ...(values['image-pull-policy'] === '' ? {} : { imagePullPolicy: values['image-pull-policy'] }),
    ...(security === undefined ? {} : { securityContext: security }),
    ...(values.stdin ? { stdin: true } : {}),
    ...(values.tty ? { tty: true } : {}),
    terminationMessagePolicy: 'File',
  };
}

function securityOf(profile: string): JsonObject | undefined {
  switch (profile) {
    case 'general':
      return { capabilities: { add: ['SYS_PTRACE'] } };
    case 'netadmin':
      return { capabilities: { add: ['NET_ADMIN', 'NET_RAW'] } };
    case 'restricted':
      return {
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      };
    case 'sysadmin':
      return { privileged: true };
    default:
      return undefined;
  }
}

async function addEphemeral(context: KubectlContext, values: Values, { target, object }: Subject): Promise<Debugged> {
  const name = freeName(values, object);
  const container = {
    ...containerOf(context, values, name),
    ...(values.target === '' ? {} : { targetContainerName: values.target }),
  };
  if (!values.quiet && values.container === '') context.complain(`Defaulting debug container name to ${name}.`);
  if (values.target !== '' && !values.quiet) {
    context.complain(
      `Targeting container "${values.target}". If you don't see processes from this container it may be because the container runtime doesn't support this feature.`,
    );
  }
  const { object: after } = await context.api.call({
    method: 'PATCH',
    path: pathOf(target.mapping, target.namespace, target.name, 'ephemeralcontainers'),
    body: { spec: { ephemeralContainers: [container] } },
    contentType: 'application/strategic-merge-patch+json',
  });
  return { pod: chosen(target, after), container: name };
}

function chosen(target: Target, pod: JsonObject): ChosenPod {
  return {
    mapping: target.mapping,
    namespace: target.namespace ?? '',
    name: digText(pod, 'metadata', 'name'),
    pod,
  };
}

async function copyPod(context: KubectlContext, values: Values, { target, object }: Subject): Promise<Debugged> {
  const images = new Map(pairsOf(values['set-image']));
  const spec = digMap(object, 'spec');
  const containers = digList(object, 'spec', 'containers').map((one) => {
    const image = images.get(digText(one, 'name')) ?? images.get('*');
    return image === undefined ? one : { ...one, image };
  });
  const known = containers.find((one) => digText(one, 'name') === values.container);
  const name = values.image === '' && known === undefined ? digText(containers[0], 'name') : freeName(values, object);
  const words = context.afterDash ?? [];
  const changed =
    values.image !== '' && known === undefined
      ? [...containers, { ...containerOf(context, values, name), resources: {} }]
      : containers.map((one) => (digText(one, 'name') === name ? changedContainer(values, one, words) : one));
  const { nodeName, ephemeralContainers: _, ...rest } = spec;
  const copy = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: values['copy-to'],
      namespace: target.namespace,
      annotations: digMap(object, 'metadata', 'annotations'),
    },
    spec: {
      ...rest,
      ...(values['same-node'] ? { nodeName } : {}),
      ...(values['share-processes'] ? { shareProcessNamespace: true } : {}),
      containers: changed,
    },
  };
  const path = pathOf(target.mapping, target.namespace);
  const { object: after } = await context.api.call({ method: 'POST', path, body: copy });
  if (values.replace) await context.api.call({ method: 'DELETE', path: `${path}/${target.name}` });
  return { pod: chosen(target, after), container: name };
}

function changedContainer(values: Values, container: JsonObject, words: readonly string[]): JsonObject {
  const called = words.length === 0 ? {} : values['arguments-only'] ? { args: words } : { command: words, args: [] };
  return {
    ...container,
    ...called,
    ...(values.image === '' ? {} : { image: values.image }),
    ...(values.stdin ? { stdin: true } : {}),
    ...(values.tty ? { tty: true } : {}),
  };
}

async function debugNode(context: KubectlContext, values: Values, { target }: Subject): Promise<Debugged> {
  const [mapping] = await context.discovery.resolve('pods');
  const namespace = values.namespace || context.api.namespace;
  const name = `node-debugger-${target.name}-${randomSuffix()}`;
  const container = values.container || 'debugger';
  const isHost = values.profile !== 'restricted' && values.profile !== 'baseline';
  const host = isHost ? { hostIPC: true, hostNetwork: true, hostPID: true } : {};
  const mounts = values.profile === 'restricted' ? {} : { volumeMounts: [{ mountPath: '/host', name: 'host-root' }] };
  if (!values.quiet)
    context.complain(`Creating debugging pod ${name} with container ${container} on node ${target.name}.`);
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { 'app.kubernetes.io/managed-by': 'kubectl-debug' } },
    spec: {
      ...host,
      containers: [{ ...containerOf(context, values, container), ...mounts }],
      nodeName: target.name,
      restartPolicy: 'Never',
      tolerations: [{ operator: 'Exists' }],
      ...(values.profile === 'restricted' ? {} : { volumes: [{ hostPath: { path: '/' }, name: 'host-root' }] }),
    },
  };
  const { object } = await context.api.call({ method: 'POST', path: pathOf(mapping, namespace), body: pod });
  return { pod: { mapping, namespace, name, pod: object }, container };
}
