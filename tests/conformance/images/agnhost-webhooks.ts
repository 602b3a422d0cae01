/**
 * The webhooks of the stand-in for agnhost: admission by `webhook`, and conversion of one made-up kind by `crd-conversion-webhook`, over TLS with the
 * certificate that the flags name. Source: kubernetes `test/images/agnhost` `README.md` and what its handlers answer.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { json } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { errorText } from '#pkg/base/error-text.ts';
import type { ProgramContext } from '#pkg/kubelet/runtime/inprocess/program.ts';

type Flags = ReadonlyMap<string, string>;

interface Meta {
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

interface Named {
  readonly name: string;
}

/** Of any kind, as far as the webhooks look at it. */
interface Reviewed {
  readonly apiVersion?: string;
  readonly metadata?: Meta;
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: { readonly containers?: readonly Named[]; readonly initContainers?: readonly Named[] };
  readonly stdin?: boolean;
  readonly container?: string;
}

interface AdmissionRequest {
  readonly uid: string;
  readonly name?: string;
  readonly operation: string;
  readonly object: Reviewed | null;
  readonly oldObject: Reviewed | null;
}

interface ConversionRequest {
  readonly uid: string;
  readonly desiredAPIVersion: string;
  readonly objects: readonly Readonly<Record<string, unknown>>[];
}

interface Review<Request> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly request: Request;
}

type Answer = Readonly<Record<string, unknown>>;
type Admit = (request: AdmissionRequest, flags: Flags) => Answer | Promise<Answer>;

const allowed: Answer = { allowed: true };
const configMapWords = {
  disallow: 'the configmap contains unwanted key and value',
  keep: 'the configmap cannot be deleted because it contains unwanted key and value',
};
const customWords = {
  disallow: 'the custom resource contains unwanted data',
  keep: 'the custom resource cannot be deleted because it contains unwanted key and value',
};

const admissions: Readonly<Record<string, Admit>> = {
  '/always-allow-delay-5s': async () => {
    await delay(5_000);
    return allowed;
  },
  '/always-deny': () => ({ allowed: false, status: { message: 'this webhook denies all requests' } }),
  '/add-label': ({ object }) => {
    const { labels = {} } = object?.metadata ?? {};
    if (Object.keys(labels).length === 0) return patched('/metadata/labels', { 'added-label': 'yes' });
    return labels['added-label'] === 'yes' ? allowed : patched('/metadata/labels/added-label', 'yes');
  },
  '/pods': admitPod,
  '/pods/attach': ({ name, object }) => {
    const isRefused = name === 'to-be-attached-pod' && object?.stdin === true && object.container === 'container1';
    return isRefused ? denied("attaching to pod 'to-be-attached-pod' is not allowed") : allowed;
  },
  '/mutating-pods': ({ object }) => {
    const added = { image: 'webhook-added-image', name: 'webhook-added-init-container', resources: {} };
    const isMeant = object?.metadata?.name === 'webhook-to-be-mutated';
    return isMeant && !has(object?.spec?.initContainers, added.name)
      ? patched('/spec/initContainers', [added])
      : allowed;
  },
  '/mutating-pods-sidecar': ({ object }, flags) => {
    const image = flags.get('sidecar-image') ?? '';
    if (image === '') return denied('No image specified by the sidecar-image parameter', 500);
    const added = { image, name: 'webhook-added-sidecar', resources: {} };
    return has(object?.spec?.containers, added.name) ? allowed : patched('/spec/containers/-', added);
  },
  '/configmaps': (request) => admitData(request, configMapWords),
  '/mutating-configmaps': mutateData,
  '/custom-resource': (request) => admitData(request, customWords),
  '/mutating-custom-resource': mutateData,
  '/crd': ({ object }) =>
    object?.metadata?.labels?.['webhook-e2e-test'] === 'webhook-disallow'
      ? denied('the crd contains unwanted label')
      : allowed,
};

/** Serves `webhook`. */
export function serveAdmission(context: ProgramContext, flags: Flags): void {
  serveReviews<AdmissionRequest>(context, flags, async (path, request) => {
    const answer = await admissions[path]?.(request, flags);
    return answer === undefined ? undefined : { uid: request.uid, ...answer };
  });
}

/** Serves `crd-conversion-webhook`. */
export function serveConversion(context: ProgramContext, flags: Flags): void {
  serveReviews<ConversionRequest>(context, flags, (path, { uid, desiredAPIVersion, objects }) => {
    if (path !== '/crdconvert') return undefined;
    try {
      const convertedObjects = objects.map((object) => convert(object, desiredAPIVersion));
      return { uid, convertedObjects, result: { status: 'Success' } };
    } catch (error) {
      return { uid, result: { status: 'Failure', message: errorText(error) } };
    }
  });
}

function serveReviews<Request>(
  context: ProgramContext,
  flags: Flags,
  answer: (path: string, request: Request) => Answer | undefined | Promise<Answer | undefined>,
): void {
  const file = (name: string): Buffer => readFileSync(context.resolve(flags.get(name) ?? ''));
  const server = createServer({ cert: file('tls-cert-file'), key: file('tls-private-key-file') }, (asked, response) => {
    const path = new URL(asked.url ?? '/', 'https://x').pathname;
    if (path === '/readyz') {
      response.end('ok');
      return;
    }
    const answered = json(asked).then(async (body) => {
      const { apiVersion, kind, request } = body as Review<Request>;
      const said = await answer(path, request);
      if (said === undefined) response.writeHead(404).end('404 page not found\n');
      else
        response
          .setHeader('content-type', 'application/json')
          .end(JSON.stringify({ apiVersion, kind, response: said }));
    });
    answered.catch((error: unknown) => response.writeHead(400).end(errorText(error)));
  }).listen(Number(flags.get('port') ?? 443), context.ip);
  context.signal.addEventListener('abort', () => {
    server.close();
    server.closeAllConnections();
  });
}

async function admitPod({ object }: AdmissionRequest): Promise<Answer> {
  const label = object?.metadata?.labels?.['webhook-e2e-test'];
  const reasons: string[] = [];
  if (label === 'webhook-disallow') reasons.push('the pod contains unwanted label;');
  // Nobody ever hears of this one.
  if (label === 'wait-forever') await new Promise(() => {});
  for (const { name } of object?.spec?.containers ?? [])
    if (name.includes('webhook-disallow')) reasons.push('the pod contains unwanted container name;');
  return reasons.length === 0 ? allowed : denied(reasons.join(' '));
}

function admitData(
  { operation, object, oldObject }: AdmissionRequest,
  words: { readonly disallow: string; readonly keep: string },
): Answer {
  const isDelete = operation === 'DELETE';
  const mark = (isDelete ? oldObject : object)?.data?.['webhook-e2e-test'];
  const isWritten = operation === 'CREATE' || operation === 'UPDATE';
  if (mark === 'webhook-disallow' && isWritten) return { allowed: false, status: { reason: words.disallow } };
  if (mark === 'webhook-nondeletable' && isDelete) return { allowed: false, status: { reason: words.keep } };
  return allowed;
}

function mutateData({ object }: AdmissionRequest): Answer {
  if (object?.data?.['mutation-stage-1'] === 'yes') return patched('/data/mutation-stage-2', 'yes');
  return object?.data?.['mutation-start'] === 'yes' ? patched('/data/mutation-stage-1', 'yes') : allowed;
}

function convert(object: Readonly<Record<string, unknown>>, apiVersion: string): Answer {
  const { apiVersion: from, hostPort, host, port, ...rest } = object;
  if (from === 'stable.example.com/v1' && apiVersion === 'stable.example.com/v2') {
    if (typeof hostPort !== 'string') return { ...rest, apiVersion };
    const parts = hostPort.split(':');
    if (parts.length !== 2) throw new Error(`invalid hostPort value \`${hostPort}\``);
    return { ...rest, apiVersion, host: parts[0], port: parts[1] };
  }
  if (from === 'stable.example.com/v2' && apiVersion === 'stable.example.com/v1')
    return host === undefined && port === undefined
      ? { ...rest, apiVersion }
      : { ...rest, apiVersion, hostPort: `${host ?? ''}:${port ?? ''}` };
  throw new Error(`unexpected conversion version "${apiVersion}"`);
}

function has(containers: readonly Named[] | undefined, name: string): boolean {
  return containers?.some((container) => container.name === name) === true;
}

function denied(message: string, code?: number): Answer {
  return { allowed: false, status: { message, code } };
}

function patched(path: string, value: unknown): Answer {
  const patch = Buffer.from(JSON.stringify([{ op: 'add', path, value }])).toString('base64');
  return { allowed: true, patch, patchType: 'JSONPatch' };
}
