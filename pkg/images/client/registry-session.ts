/**
 * Requests to one registry in the name of one login: its challenges are answered, its redirects followed, its refusals turned into errors. What says who asks goes to
 * no other host. Source: OCI distribution-spec.
 */
import { ImageStoreError, type RegistryLogin } from '../image-store.ts';
import { readAll } from './answers.ts';
import { answerChallenges, parseChallenges, registryErrors } from './auth.ts';
import type { HttpAnswer, HttpRequest, SendHttp } from './http.ts';

const redirectsMax = 10;
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const errorBytesMax = 64 << 10;

/** What is asked of a repository. */
export interface RegistryRequest extends Omit<HttpRequest, 'url'> {
  /** Whole, or what comes after the registry's address. */
  readonly path: string;
  readonly repository: string;
  /** Rights that it needs, such as `pull` or `pull,push`. */
  readonly rights: string;
  /** Answers that are none of success and wanted all the same. */
  readonly wanted?: readonly number[];
}

/** Requests of one login to one registry. */
export class RegistrySession {
  readonly address: URL;
  readonly #send: SendHttp;
  readonly #login: RegistryLogin | undefined;
  /** What was answered to challenges, by what it was asked for. */
  readonly #authorizations = new Map<string, string>();

  constructor(address: URL, options: { readonly send: SendHttp; readonly login: RegistryLogin | undefined }) {
    this.address = address;
    this.#send = options.send;
    this.#login = options.login;
  }

  /** Resolves with an answer of success, or one that is wanted. */
  async ask(request: RegistryRequest): Promise<HttpAnswer> {
    const answer = await this.#authorized(request);
    const { status } = answer;
    if ((status >= 200 && status < 300) || request.wanted?.includes(status)) return answer;
    const said = registryErrors(await readAll(answer, errorBytesMax).catch(() => new Uint8Array()));
    const what = `registry ${this.address.host} answered ${status}${said === '' ? '' : ` (${said})`}`;
    throw new ImageStoreError(reasonOf(status), what);
  }

  async #authorized(request: RegistryRequest): Promise<HttpAnswer> {
    const scope = `repository:${request.repository}:${request.rights}`;
    const first = await this.#follow(request, this.#authorizations.get(scope));
    const header = first.headers['www-authenticate'];
    if (first.status !== 401 || header === undefined) return first;
    first.close();
    const authorization = await answerChallenges(parseChallenges(header), {
      send: this.#send,
      login: this.#login,
      scope,
      isSecure: this.address.protocol === 'https:',
      signal: request.signal,
    });
    this.#authorizations.set(scope, authorization);
    return this.#follow(request, authorization);
  }

  async #follow(request: RegistryRequest, authorization: string | undefined): Promise<HttpAnswer> {
    const { method, headers, body, signal } = request;
    let url = new URL(request.path, this.address);
    for (let count = 0; count <= redirectsMax; count++) {
      // What other hosts are asked is nobody's in particular.
      const isOwn = url.origin === this.address.origin;
      const own: Record<string, string> = isOwn && authorization !== undefined ? { authorization } : {};
      const answer = await this.#send({ method, url, headers: { ...headers, ...own }, body, signal });
      const { location } = answer.headers;
      const isRead = method === 'GET' || method === 'HEAD';
      if (!redirects.has(answer.status) || location === undefined || !isRead) return answer;
      answer.close();
      const next = URL.parse(location, url.href);
      if (
        next === null ||
        !/^https?:$/.test(next.protocol) ||
        (url.protocol === 'https:' && next.protocol !== 'https:')
      )
        throw new ImageStoreError(
          'failed',
          `registry ${this.address.host} sends on to ${location.slice(0, 200)}, which is not followed`,
        );
      url = next;
    }
    throw new ImageStoreError('failed', `registry ${this.address.host} sends on more than ${redirectsMax} times`);
  }
}

function reasonOf(status: number): 'failed' | 'notFound' | 'unauthorized' | 'unreachable' {
  if (status === 401 || status === 403) return 'unauthorized';
  if (status === 404) return 'notFound';
  // Of these it may be said that they pass.
  return status === 408 || status === 429 || status >= 500 ? 'unreachable' : 'failed';
}
