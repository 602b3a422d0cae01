/**
 * One POST to a webhook of whatever sort: where it goes, and how long it may take. Who is asked by Service is reached at its cluster IP, under the
 * name that its certificate has to have.
 * Source: apiserver `util/webhook/{client,serviceresolver}.go`; client-go `rest.Result`.
 */
import type { WebhookClientConfig } from '#pkg/api/types/admissionregistration-v1.ts';
import { services } from '#pkg/api/types/refs.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { type RegistryReader, readOne } from '#pkg/apiserver/strategy.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { CallWebhook, WebhookRequest } from '../../remote/call-webhook.ts';

/** What is sent, and by which means. */
export interface WebhookPost {
  readonly body: string;
  /** How long an answer may take. */
  readonly seconds: number;
  readonly reader: RegistryReader;
  readonly call: CallWebhook;
  readonly clock: Clock;
}

const defaultPort = 443;

/** The text of the answer. Rejects with an `Error` that says why there is none, in one line. */
export async function postToWebhook(config: Given<WebhookClientConfig>, post: WebhookPost): Promise<string> {
  const url = urlOf(config, post.seconds);
  let answer: Awaited<ReturnType<CallWebhook>>;
  try {
    const target = await targetOf(config, post.reader);
    answer = await within(post, (signal) => post.call({ url, ...target, body: post.body, signal }));
  } catch (error) {
    throw new Error(`Post ${JSON.stringify(url)}: ${errorText(error)}`, { cause: error });
  }
  if (answer.status < 200 || answer.status > 299) throw new Error(refusalOf(answer));
  return answer.text;
}

/** Source: apimachinery `api/errors` `NewGenericServerResponse`. */
function refusalOf({ status, text }: Awaited<ReturnType<CallWebhook>>): string {
  if (status === 404) return 'the server could not find the requested resource';
  if (status < 500) return `the server rejected our request: it answered with status ${status}`;
  const shown = text.length > refusalTextMax ? `${text.slice(0, refusalTextMax)}…` : text;
  const why = shown === '' ? `status ${status}` : shown;
  return `an error on the server (${JSON.stringify(why)}) has prevented the request from succeeding`;
}

/** What is told of an answer, so that nobody fills logs and events through us. */
const refusalTextMax = 512;

function urlOf({ url = '', service }: Given<WebhookClientConfig>, seconds: number): string {
  const query = `timeout=${seconds}s`;
  if (service !== undefined) {
    const { name = '', namespace = '', path = '', port = defaultPort } = service;
    return `https://${name}.${namespace}.svc:${port}${joined(path)}?${query}`;
  }
  // What is no URL is told as it stands.
  if (!URL.canParse(url)) return `${url}?${query}`;
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${joined(pathname)}?${query}`;
}

/** Without empty parts and without a slash at the end, as Go joins paths: servers send those who ask for `//a` elsewhere. Source: client-go `rest.NewRequest`. */
function joined(path: string): string {
  const parts = path.split('/').filter((part) => part !== '');
  return `/${parts.join('/')}`;
}

/** Where to connect to. Throws where the Service does not say. */
async function targetOf(
  { service, caBundle }: Given<WebhookClientConfig>,
  reader: RegistryReader,
): Promise<Pick<WebhookRequest, 'address' | 'caBundle'>> {
  const text = Buffer.from(caBundle ?? '', 'base64').toString();
  const authorities = { caBundle: text.trim() === '' ? undefined : text };
  if (service === undefined) return authorities;
  const { name = '', namespace = '', port = defaultPort } = service;
  const found = await readOne(reader, services, { namespace, name });
  const host = found?.spec?.clusterIP ?? '';
  if (found === undefined || host === '' || host === 'None')
    throw new Error(`service ${JSON.stringify(name)} not found`);
  if (!(found.spec?.ports ?? []).some((one) => one.port === port)) {
    throw new Error(`no service port ${port} found for service ${JSON.stringify(name)}`);
  }
  return { ...authorities, address: { host, port } };
}

/** Fails when the time is up, whatever the other side does. */
function within<T>({ clock, seconds }: WebhookPost, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const ended = new AbortController();
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => {
      reject(new Error('context deadline exceeded'));
      ended.abort();
    }, seconds * 1000);
    ask(ended.signal)
      .then(resolve, reject)
      .finally(() => timer.cancel());
  });
}
