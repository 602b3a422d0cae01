/**
 * Which requests the dashboard answers at all, decided by the head of each before anything else looks at it. A browser carries a session's cookie to
 * wherever a page tells it to, so what counts is whether this very page asks. Laws:
 * - The host is one that was announced: a name that somebody else's DNS leads to this machine is refused (DNS rebinding).
 * - Whatever changes something, and whatever becomes a WebSocket, names this page as its origin; so does what is read, where the browser says who asks (CSRF).
 * - Nothing is put into a frame of another page.
 * - Credentials never stand in a URL, where histories, logs and referrers would have them.
 * Source: RFC 6454, Fetch Metadata Request Headers, OWASP CSRF Prevention.
 */

/** What is looked at. */
export interface RequestHead {
  readonly method: string;
  /** As on the wire, with the query. */
  readonly url: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Whether it wants to become a WebSocket. */
  readonly isUpgrade?: boolean;
}

/** Why a request is not answered. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
}

/** Query parameters that carry credentials elsewhere. */
const secretNames = new Set([
  'access_token',
  'authorization',
  'bearer',
  'code',
  'password',
  'secret',
  'session',
  'token',
]);
/** A signed token, a bootstrap token: what they look like wherever they stand. */
const secretTexts = /\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*|(?<![a-z0-9])[a-z0-9]{6}\.[a-z0-9]{16}(?![a-z0-9])/;

const frames = new Set(['embed', 'fencedframe', 'frame', 'iframe', 'object']);

/** Why `head` is refused, or undefined. `hosts` are those that were announced, each as `127.0.0.1:8001`. */
export function refusalOf(head: RequestHead, hosts: readonly string[]): Refusal | undefined {
  const host = one(head, 'host');
  if (host === undefined || !hosts.includes(host))
    return { status: 421, reason: `this server is not ${shown(host)}: use the address that it was started with` };
  if (hasSecret(head.url)) return { status: 400, reason: 'credentials are not taken from a URL: sign in on the page' };
  if (frames.has(one(head, 'sec-fetch-dest') ?? ''))
    return { status: 403, reason: 'the dashboard is not shown inside of another page' };
  const origin = one(head, 'origin');
  const isRead = head.method === 'GET' || head.method === 'HEAD';
  if (!isRead || head.isUpgrade === true || origin !== undefined) {
    if (origin !== `http://${host}`)
      return { status: 403, reason: `requests of ${origin === undefined ? 'no page' : 'another origin'} are refused` };
  }
  const site = one(head, 'sec-fetch-site');
  const isOwn = site === undefined || site === 'same-origin' || site === 'none';
  // A link on another page may lead to the page itself, which has nothing of the cluster in it.
  const isVisit = isRead && one(head, 'sec-fetch-mode') === 'navigate' && pathOf(head.url) === '/';
  if (!isOwn && !isVisit) return { status: 403, reason: 'requests of another origin are refused' };
  return undefined;
}

function one({ headers }: RequestHead, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.join(', ');
}

function shown(host: string | undefined): string {
  return host === undefined ? 'a host without a name' : JSON.stringify(host.slice(0, 80));
}

function pathOf(url: string): string {
  const question = url.indexOf('?');
  return question < 0 ? url : url.slice(0, question);
}

function hasSecret(url: string): boolean {
  const question = url.indexOf('?');
  if (question >= 0) {
    const query = new URLSearchParams(url.slice(question + 1));
    for (const name of query.keys()) if (secretNames.has(name.toLowerCase())) return true;
  }
  return secretTexts.test(url);
}
