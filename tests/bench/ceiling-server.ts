/**
 * The ceiling of the get, list, watch and create rows: a bare `node:https` server, set up as the API server's is, that gives the bytes which were
 * captured from a server to whoever asks. It stores nothing, checks nothing and looks at no more of a request than tells a watch, a list, a
 * get and a create apart, so that what it reaches is what Node and TLS leave to reach.
 *
 * Run by `ceiling.ts` as a process of its own: arguments are the folder with keys and certificates, and the file of `capture.ts`.
 */
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { heapLimit } from '#cmd/common/heap-limit.ts';
import type { Captured, CapturedAnswer } from './capture.ts';
import { timeMark } from './watchers.ts';

interface Answer {
  readonly head: readonly string[];
  readonly body: Buffer;
}

const [folder = '.', file = ''] = process.argv.slice(2);
const captured = JSON.parse(readFileSync(file, 'utf8')) as Captured;
const pod = answerOf(captured.pod);
const list = answerOf(captured.list);
/** Enough for a watch to be begun from, and for namespaces. */
const small = answerOf({ head: captured.pod.head, body: '{"metadata":{"resourceVersion":"1"}}' });
const eventBefore = Buffer.from(`{"type":"ADDED","object":${captured.event.before}`);
const eventAfter = Buffer.from(`${captured.event.after}}\n`);
const chunkEnd = Buffer.from('\r\n');

const watchers = new Set<ServerResponse>();

/** The first events since somebody asked where to watch from, for watches that are read after a write which was sent behind them. */
let first: Buffer[] = [];
const firstMax = 64;

function answerOf({ head, body }: CapturedAnswer): Answer {
  const bytes = Buffer.from(body);
  return { head: [...head, 'Content-Length', String(bytes.length)], body: bytes };
}

function send(response: ServerResponse, status: number, { head, body }: Answer): void {
  response.writeHead(status, [...head]);
  response.end(body);
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  const { method, url = '' } = request;
  if (method === 'GET') {
    if (url.includes('?watch=1')) {
      watch(response);
      return;
    }
    if (url.includes('?limit=1')) first = [];
    send(response, 200, url.endsWith('/pods') ? list : url.includes('/pods/') ? pod : small);
    return;
  }
  const pieces: Buffer[] = [];
  request.on('data', (piece: Buffer) => pieces.push(piece));
  request.on('end', () => {
    if (method !== 'POST' || !url.endsWith('/pods')) return send(response, 200, small);
    send(response, 201, pod);
    tell(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces));
  });
}

function watch(response: ServerResponse): void {
  response.writeHead(200, [...captured.event.head, 'Transfer-Encoding', 'chunked']);
  response.flushHeaders();
  for (const chunk of first) response.socket?.write(chunk);
  watchers.add(response);
  response.on('close', () => watchers.delete(response));
}

/** Gives each watcher the event of a pod, with the time that is in the pod's body: the same bytes for all, framed once. */
function tell(body: Buffer): void {
  const mark = body.indexOf(timeMark, 0, 'latin1');
  // A pod that nobody watches has no time in it.
  if (mark < 0) return;
  const at = mark + timeMark.length;
  const time = body.subarray(at, body.indexOf(34, at));
  const length = eventBefore.length + time.length + eventAfter.length;
  const chunk = Buffer.concat([Buffer.from(`${length.toString(16)}\r\n`), eventBefore, time, eventAfter, chunkEnd]);
  if (first.length < firstMax) first.push(chunk);
  for (const { socket } of watchers) socket?.write(chunk);
}

const read = (name: string): Buffer => readFileSync(join(folder, name));
const server = createServer(
  {
    cert: read('server.crt'),
    key: read('server.key'),
    ca: read('ca.crt'),
    requestCert: true,
    rejectUnauthorized: false,
    keepAliveTimeout: 180_000,
    noDelay: true,
    maxHeaderSize: 1024 * 1024,
    requestTimeout: 0,
  },
  serve,
);
// As the processes of a cluster do.
heapLimit.set();
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit());
