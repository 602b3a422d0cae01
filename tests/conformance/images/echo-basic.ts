/**
 * A stand-in for the image behind the Gateway API's own conformance tests: says in JSON how a request has come to it, at 3000 by HTTP/1.1 with a WebSocket that echoes, and at 3001 by
 * HTTP/2 without TLS. Source: gateway-api `conformance/echo-basic`.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import { parseDurationMs } from '#pkg/apimachinery/time.ts';
import type { Program, ProgramContext } from '#pkg/kubelet/runtime/inprocess/program.ts';
import { encodeFrame, type FrameKind, FrameReader } from '#pkg/serving/websocket/frames.ts';

const httpPort = 3000;
const h2cPort = 3001;

/** Longest message that is echoed. */
const messageBytesMax = 1 << 20;

/** What of a request both protocols have. */
interface Asked {
  readonly path: string;
  readonly host: string;
  readonly method: string;
  readonly proto: string;
  /** Address of the client. */
  readonly from: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
}

interface Said {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

async function answer(asked: Asked, { env, log }: ProgramContext): Promise<Said> {
  const url = new URL(asked.path, 'http://x');
  if (url.pathname === '/health') return { status: 200, headers: {}, body: 'OK' };
  const [, status] = /^\/status\/(\d{3})$/.exec(url.pathname) ?? [];
  if (status !== undefined) return { status: Number(status), headers: {}, body: '' };
  // By this line of a log it is known whom a request was mirrored to.
  log(`Echoing back request made to ${asked.path} to client (${asked.from})`);
  await delay(parseDurationMs(url.searchParams.get('delay') ?? '') ?? 0);
  const { from: _, ...shown } = asked;
  const own = { namespace: env.NAMESPACE ?? '', ingress: '', service: env.SERVICE_NAME ?? '', pod: env.POD_NAME ?? '' };
  const headers: Record<string, string> = { 'Content-Type': 'application/json', 'X-Content-Type-Options': 'nosniff' };
  const wanted = (asked.headers['X-Echo-Set-Header'] ?? []).flatMap((list) => list.split(','));
  for (const pair of wanted.map((one) => one.trim()).filter((one) => one !== '')) {
    const [, name = '', value = ''] = /^([^:]*):?(.*)$/.exec(pair) ?? [];
    headers[name] = headers[name] === undefined ? value : `${headers[name]},${value.trim()}`;
  }
  return { status: 200, headers, body: JSON.stringify({ ...shown, ...own }, undefined, 1) };
}

/** As Go spells a header. */
function canonical(name: string): string {
  return name.replace(/[^-]+/g, (word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1).toLowerCase()}`);
}

function headersOf(pairs: readonly (readonly [string, string])[]): Asked['headers'] {
  const headers: Record<string, string[]> = {};
  for (const [name, value] of pairs) {
    // The host is not among them in Go.
    if (/^(?:host$|:)/i.test(name)) continue;
    const values = headers[canonical(name)] ?? [];
    headers[canonical(name)] = [...values, value];
  }
  return headers;
}

function httpServer(context: ProgramContext): Server {
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const { rawHeaders } = request;
    const pairs = rawHeaders.flatMap((name, index) =>
      index % 2 === 0 ? [[name, rawHeaders[index + 1] ?? ''] as const] : [],
    );
    const asked = {
      path: request.url ?? '/',
      host: request.headers.host ?? '',
      method: request.method ?? 'GET',
      proto: `HTTP/${request.httpVersion}`,
      from: request.socket.remoteAddress ?? '',
      headers: headersOf(pairs),
    };
    void answer(asked, context).then(({ status, headers, body }) => response.writeHead(status, headers).end(body));
  });
  server.on('upgrade', ({ headers }, socket, head) => {
    const key = headers['sec-websocket-key'] ?? '';
    const accepted = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    const answered = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
    socket.write([...answered, `Sec-WebSocket-Accept: ${accepted}`, '', ''].join('\r\n'));
    const send = (kind: FrameKind, payload: Uint8Array): void => {
      for (const part of encodeFrame(kind, payload)) socket.write(part);
    };
    const frames = new FrameReader(
      {
        onMessage: ({ isText, bytes }) => send(isText ? 'text' : 'binary', bytes),
        onPing: (payload) => send('pong', payload),
        onPong: () => {},
        onClose: () => socket.end(),
      },
      messageBytesMax,
    );
    socket.on('data', (bytes: Uint8Array) => frames.push(bytes));
    socket.on('error', () => socket.destroy());
    if (head.length > 0) frames.push(head);
  });
  return server;
}

export const program: Program = {
  main(context) {
    const server = httpServer(context).listen(httpPort, context.ip);
    const h2c = createHttp2Server((request, response) => {
      const asked = {
        path: request.url,
        host: request.authority,
        method: request.method,
        proto: 'HTTP/2.0',
        from: request.socket.remoteAddress ?? '',
        headers: headersOf(Object.entries(request.headers).map(([name, value]) => [name, String(value)] as const)),
      };
      void answer(asked, context).then(({ status, headers, body }) => {
        response.writeHead(status, headers);
        response.end(body);
      });
    }).listen(h2cPort, context.ip);
    return new Promise((resolve) =>
      context.signal.addEventListener(
        'abort',
        () => {
          server.close();
          server.closeAllConnections();
          h2c.close();
          resolve(0);
        },
        { once: true },
      ),
    );
  },
};
