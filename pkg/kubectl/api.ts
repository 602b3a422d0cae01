/**
 * The API as the command line sees it: JSON in and out over any connection, with errors as `StatusError`. `connect.ts` makes one from a
 * kubeconfig; tests make one from a handler in the same process.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isObject, parseJson } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type Status, StatusError } from '#pkg/apimachinery/status-error.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { ClientSocket } from './client-socket.ts';

/** One request of the command line. */
export interface ApiCall {
  readonly method: 'DELETE' | 'GET' | 'PATCH' | 'POST' | 'PUT';
  /** With a leading slash, without the query. */
  readonly path: string;
  /** Of several values, each is sent. */
  readonly query?: Readonly<Record<string, readonly string[] | string | undefined>>;
  readonly body?: unknown;
  /** Default `application/json`. */
  readonly contentType?: string;
  readonly accept?: string;
  readonly signal?: AbortSignal;
}

/** An answer before anybody looked at its status. */
export interface RawAnswer {
  readonly status: number;
  /** Values of the `Warning` headers. */
  readonly warnings: readonly string[];
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** Sends one call; resolves when the answer's headers are there. */
export type SendCall = (call: ApiCall) => Promise<RawAnswer>;

/** The connection of one command. */
export interface KubeApi {
  /** Namespace of commands that name none. */
  readonly namespace: string;
  /** The answer's object and its status code. */
  call(call: ApiCall): Promise<{ readonly status: number; readonly object: JsonObject }>;
  /** The answer as it comes. */
  stream(call: ApiCall): Promise<AsyncIterable<Uint8Array>>;
  /** Address of the server; empty where it has none. */
  readonly server: string;
  /** A WebSocket of one of these protocols. */
  openSocket: OpenSocket;
  /** Passes somebody else's request on, and the answer back; absent where there is no server to pass it to. */
  readonly forward?: Forward;
}

/** Answers a request as the server answers it at `path`, which has the query too. */
export type Forward = (request: IncomingMessage, response: ServerResponse, path: string) => void;

/** Opens a WebSocket; rejects with the server's own error where it refuses one. */
export type OpenSocket = (call: ApiCall, protocols: readonly string[]) => Promise<ClientSocket>;

/** Answers are read whole up to this size; a list beyond it needs a selector. */
const answerBytesMax = 512 * 1024 * 1024;

/** The API over a way to send calls; warnings of the server go to `onWarning`. */
export function createKubeApi(options: {
  readonly send: SendCall;
  readonly namespace: string;
  readonly onWarning?: (text: string) => void;
  readonly server?: string;
  readonly openSocket?: OpenSocket;
  readonly forward?: Forward;
}): KubeApi {
  const send = async (call: ApiCall): Promise<RawAnswer> => {
    const answer = await options.send(call);
    for (const header of answer.warnings) for (const text of warningTexts(header)) options.onWarning?.(text);
    if (answer.status < 400) return answer;
    const text = await readAll(answer.chunks);
    throw errorOf(answer.status, text);
  };
  return {
    namespace: options.namespace,
    server: options.server ?? '',
    ...(options.forward === undefined ? {} : { forward: options.forward }),
    openSocket:
      options.openSocket ?? (() => Promise.reject(new UserError('error: this connection carries no WebSockets'))),
    call: async (call) => {
      const answer = await send(call);
      const text = await readAll(answer.chunks);
      return { status: answer.status, object: text === '' ? {} : (parseJson(text) as JsonObject) };
    },
    stream: async (call) => (await send(call)).chunks,
  };
}

/** The error that an answer of a status from 400 on tells of. */
export function errorOf(status: number, text: string): StatusError {
  try {
    const value = JSON.parse(text) as Partial<Status>;
    if (value.kind === 'Status') return StatusError.from({ ...(value as Status), code: value.code ?? status });
  } catch {
    // Not a Status: the text itself is all there is to say.
  }
  const message = text.trim() === '' ? `the server answered ${status}` : text.trim();
  return new StatusError({ code: status, reason: status === 404 ? 'NotFound' : '', message });
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > answerBytesMax)
      throw new Error(`Cannot read an answer of more than ${answerBytesMax} bytes: narrow it down`);
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Lines of a stream, without their newlines. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}

/** The texts of a `Warning` header (`299 - "text", 299 - "text"`). */
function warningTexts(header: string): readonly string[] {
  const texts = [...header.matchAll(/\d{3} \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) => text);
  return texts.length === 0 ? [header] : texts.map((text) => text.replaceAll(/\\(.)/g, '$1'));
}

/** The value at a path of fields, or undefined. */
export function dig(value: unknown, ...path: readonly (number | string)[]): unknown {
  let current = value;
  for (const step of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, step)) return undefined;
    current = Reflect.get(current, step);
  }
  return current;
}

/** The text at a path, `''` when there is none. */
export function digText(value: unknown, ...path: readonly (number | string)[]): string {
  const found = dig(value, ...path);
  return found === undefined || found === null ? '' : String(found);
}

/** The list at a path, empty when there is none. */
export function digList(value: unknown, ...path: readonly (number | string)[]): readonly JsonObject[] {
  const found = dig(value, ...path);
  return Array.isArray(found) ? found.filter(isObject) : [];
}

/** The texts of the list at a path, empty when there is none. */
export function digTexts(value: unknown, ...path: readonly (number | string)[]): readonly string[] {
  const found = dig(value, ...path);
  return Array.isArray(found) ? found.map(String) : [];
}

/** The mapping at a path, empty when there is none. */
export function digMap(value: unknown, ...path: readonly (number | string)[]): JsonObject {
  const found = dig(value, ...path);
  return isObject(found) ? found : {};
}

/** The number at a path, or `fallback`. */
export function digNumber(value: unknown, path: readonly (number | string)[], fallback = 0): number {
  const found = dig(value, ...path);
  return typeof found === 'number' ? found : fallback;
}
