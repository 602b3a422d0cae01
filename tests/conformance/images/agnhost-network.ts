/** The servers of the stand-in for agnhost. */
import { createSocket } from 'node:dgram';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { ProgramContext } from '#pkg/kubelet/runtime/inprocess/program.ts';
import { issueAuthority } from '#pkg/pki/certificate.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';

type Flags = ReadonlyMap<string, string>;

/** What a server says. */
export interface Said {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request, as far as the commands look at it. */
interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly from: string;
  /** What was sent with it. */
  body(): Promise<string>;
}

/** Listens on the pod's address until the program is told to end; over TLS with a certificate. */
export function serveOn(
  context: ProgramContext,
  port: number,
  answer: (asked: Asked) => Promise<Said> | Said,
  tls?: CertificatePair,
): void {
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const { method = 'GET', headers } = request;
    const url = new URL(request.url ?? '/', 'http://x');
    const { remoteAddress, remotePort } = request.socket;
    void Promise.resolve(
      answer({ method, url, headers, from: `${remoteAddress}:${remotePort}`, body: () => text(request) }),
    ).then((said) =>
      response
        .writeHead(said.status, { 'content-type': sniffedType(said.body), ...said.headers })
        .end(method === 'HEAD' ? '' : said.body),
    );
  };
  const server =
    tls === undefined ? createServer(onRequest) : createTlsServer({ cert: tls.certificate, key: tls.key }, onRequest);
  server.listen(port, context.ip);
  context.signal.addEventListener('abort', () => {
    server.close();
    server.closeAllConnections();
  });
}

/** What Go's servers say that a body is where nobody told them. Source: https://mimesniff.spec.whatwg.org. */
function sniffedType(body: string): string {
  const tags = '!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p';
  const isPage = new RegExp(`^\\s*<(?:!--|(?:${tags})[\\s>])`, 'i').test(body);
  return isPage ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8';
}

/** Says the host name over HTTP or, with `--tcp` and `--udp`, without. */
export function serveHostname(context: ProgramContext, flags: Flags): void {
  const port = Number(flags.get('port') ?? 9376);
  const [tcp, udp] = [flags.get('tcp') === 'true', flags.get('udp') === 'true'];
  if (tcp) serveRaw(context, port);
  if (udp) serveDatagrams(context, port, () => context.hostname);
  if (!tcp && !udp) serveOn(context, port, () => ({ status: 200, body: context.hostname }));
}

/** Says the host name to whoever connects. What they say is read, as they would be told of an error otherwise. */
function serveRaw(context: ProgramContext, port: number): void {
  const server = createTcpServer((socket) => {
    socket.on('error', () => socket.destroy()).resume();
    socket.end(context.hostname);
  }).listen(port, context.ip);
  context.signal.addEventListener('abort', () => server.close());
}

/** Says on each port that its environment names what it says there: `SERVE_PORT_80=text`, and with TLS `SERVE_TLS_PORT_443=text`. */
export function servePorts(context: ProgramContext, flags: Flags): void {
  const isJson = flags.get('json-response') === 'true';
  const certificate = issueAuthority({
    subject: { commonName: 'localhost' },
    nowMs: context.clock.nowMs(),
    validDays: 365,
  });
  for (const [name, text = ''] of Object.entries(context.env)) {
    const [, tls, port] = /^SERVE_(TLS_)?PORT_(\d+)$/.exec(name) ?? [];
    if (port === undefined) continue;
    const answer = ({ method }: Asked): Said =>
      isJson
        ? {
            status: 200,
            body: JSON.stringify({ Method: method, Body: text }),
            headers: { 'content-type': 'application/json' },
          }
        : { status: 200, body: text };
    serveOn(context, Number(port), answer, tls === undefined ? undefined : certificate);
  }
}

/** Answers questions over HTTP and UDP. */
export function netexec(context: ProgramContext, flags: Flags): void {
  const udpPort = Number(flags.get('udp-port') ?? 8081);
  let isEnding = false;
  context.signal.addEventListener('abort', () => {
    isEnding = true;
  });
  serveOn(context, Number(flags.get('http-port') ?? 8080), async (asked) => {
    const { url, headers, from } = asked;
    const value = (name: string): string => url.searchParams.get(name) ?? '';
    context.error(`${asked.method} ${url.pathname}${url.search}`);
    const ok = (body: string): Said => ({ status: 200, body });
    switch (url.pathname) {
      case '/hostname':
      case '/hostName':
        return ok(context.hostname);
      case '/clientip':
        return ok(from);
      case '/echo':
        return { status: Number(value('code') || 200), body: value('msg') };
      case '/header':
        return ok(value('key') === '' ? JSON.stringify(headers) : String(headers[value('key').toLowerCase()] ?? ''));
      case '/healthz':
        return ok('');
      case '/readyz':
        return isEnding ? { status: 503, body: 'shutting down' } : ok('ok');
      case '/redirect':
        return { status: Number(value('code') || 302), body: '', headers: { location: value('location') } };
      case '/dial':
        return ok(JSON.stringify(await dial(value)));
      case '/exit':
      case '/shutdown':
        setTimeout(() => process.exit(Number(value('code') || 0)), 0);
        return ok('');
      default:
        return ok(`NOW: ${new Date(context.clock.nowMs()).toISOString()}`);
    }
  });
  if (udpPort < 0) return;
  serveDatagrams(context, udpPort, (text, from) => {
    const [command, rest = ''] = text.trim().split(/ (.*)/s);
    if (command?.toLowerCase() === 'hostname') return context.hostname;
    if (command?.toLowerCase() === 'clientip') return from;
    return command?.toLowerCase() === 'echo' ? rest : '';
  });
}

function serveDatagrams(context: ProgramContext, port: number, answer: (text: string, from: string) => string): void {
  const socket = createSocket('udp4', (data, { address, port: fromPort }) =>
    socket.send(answer(data.toString(), `${address}:${fromPort}`), fromPort, address),
  );
  socket.bind(port, context.ip);
  context.signal.addEventListener('abort', () => socket.close());
}

/** Asks other servers, as often as is wanted, and says what they have said. */
async function dial(value: (name: string) => string): Promise<object> {
  const [responses, errors]: [string[], string[]] = [[], []];
  for (let left = Number(value('tries') || 1); left > 0; left--) {
    try {
      responses.push(value('protocol') === 'udp' ? await askByDatagram(value) : await askByHttp(value));
    } catch (error) {
      errors.push(String(error));
    }
  }
  return errors.length === 0 ? { responses } : { responses, errors };
}

async function askByHttp(value: (name: string) => string): Promise<string> {
  const url = `http://${value('host')}:${value('port')}/${value('request')}`;
  const answer = await fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(5_000) });
  return answer.text();
}

async function askByDatagram(value: (name: string) => string): Promise<string> {
  const socket = createSocket('udp4');
  const answer = new Promise<string>((resolve, reject) => {
    socket.on('message', (data) => resolve(data.toString()));
    socket.on('error', reject);
  });
  try {
    socket.send(value('request'), Number(value('port')), value('host'));
    return await Promise.race([answer, delay(5_000).then(() => Promise.reject(new Error('timed out')))]);
  } finally {
    socket.close();
  }
}
