/** A client of HTTP/2. For tests. */
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import { testCertificate, testKey } from './test-server.ts';

/** What is asked by a stream. A body that is a list is sent part by part. */
export interface AskedStream {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | readonly Uint8Array[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The answer to it. */
export interface AnsweredStream {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Opens a connection of HTTP/2, with the client's certificate where `isKnown`. Errors of it are left to its streams. */
export async function openSession(
  port: number,
  { isKnown = false }: { readonly isKnown?: boolean } = {},
): Promise<ClientHttp2Session> {
  const identity = isKnown ? { cert: testCertificate, key: testKey } : {};
  const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, ...identity });
  session.on('error', () => {});
  await once(session, 'connect');
  return session;
}

/** Asks, with the whole body. */
export function ask(session: ClientHttp2Session, asked: AskedStream = {}): Promise<AnsweredStream> {
  const { body, signal } = asked;
  const stream = begin(session, asked, { isWhole: body === undefined });
  signal?.addEventListener('abort', () => stream.close());
  const answer = answerOf(stream);
  const parts = body === undefined ? [] : body instanceof Uint8Array ? [body] : body;
  for (const part of parts) stream.write(part);
  if (!stream.writableEnded) stream.end();
  return answer;
}

/** Sends a head. The caller sends the body, unless it `isWhole`, and ends the stream. */
export function begin(
  session: ClientHttp2Session,
  { method = 'GET', path = '/', headers, body }: AskedStream,
  { isWhole = false }: { readonly isWhole?: boolean } = {},
): ClientHttp2Stream {
  const length = body instanceof Uint8Array ? { 'content-length': String(body.length) } : {};
  const stream = session.request({ ':method': method, ':path': path, ...length, ...headers }, { endStream: isWhole });
  stream.on('error', () => {});
  return stream;
}

/** All of the answer, once the stream has ended. Rejects when there is none. */
export function answerOf(stream: ClientHttp2Stream): Promise<AnsweredStream> {
  return new Promise((resolve, reject) => {
    let text = '';
    let headers: IncomingHttpHeaders | undefined;
    stream.on('response', (given) => {
      headers = given;
    });
    stream.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
    stream.once('close', () => {
      const status = headers?.[':status'];
      if (headers === undefined || status === undefined) reject(new Error(`No answer: code ${stream.rstCode}`));
      else resolve({ status: Number(status), headers, text });
    });
  });
}
