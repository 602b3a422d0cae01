/**
 * `coxswain.dev/guestbook`: an HTTP front end that keeps messages in a key-value store over RESP. `GET /` is a page, `GET /messages` lists,
 * `POST /messages` (body: the text) adds, `/healthz` says whether the store answers. Every answer names the replica that gave it.
 * Settings: `PORT` (8080), `KV_HOST` (kv), `KV_PORT` (6379), `KV_PASSWORD`, `TITLE`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { Program, ProgramContext } from '../program.ts';
import { encodeResp, RespReader, type RespValue } from './resp.ts';
import { portOf, reply, serveHttp, urlOf } from './serve.ts';

/** Longest message, in characters, and longest time the store may take. */
const messageLengthMax = 1_000;
const storeTimeoutMs = 2_000;

/** The image's program. */
export const program: Program = {
  main(context) {
    return serveHttp(context, portOf(context, 'PORT', 8080), (request, response) => {
      void answer(context, request, response).catch((error: unknown) => {
        context.error(`${request.method} ${request.url}: ${String(error)}`);
        reply(response, 503, `${who(context)}: the store does not answer: ${String(error)}\n`);
      });
    });
  },
};

async function answer(context: ProgramContext, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = urlOf(request);
  response.setHeader('x-replica', context.hostname);
  if (pathname === '/livez') return reply(response, 200, 'ok');
  if (pathname === '/healthz') {
    await ask(context, ['PING']);
    return reply(response, 200, 'ok');
  }
  context.log(`${request.method} ${pathname}`);
  if (pathname === '/messages' && request.method === 'POST') {
    const text = (await bodyOf(request)).trim();
    if (text === '' || text.length > messageLengthMax) {
      return reply(response, 400, `a message has 1 to ${messageLengthMax} characters\n`);
    }
    const count = await ask(context, ['RPUSH', 'messages', text]);
    return reply(response, 201, `${JSON.stringify({ replica: context.hostname, count })}\n`, 'application/json');
  }
  if (pathname === '/messages') {
    const messages = await ask(context, ['LRANGE', 'messages', '0', '-1']);
    const body = { replica: context.hostname, version: context.imageTag, messages };
    return reply(response, 200, `${JSON.stringify(body)}\n`, 'application/json');
  }
  if (pathname !== '/') return reply(response, 404, 'not found\n');
  const messages = (await ask(context, ['LRANGE', 'messages', '0', '-1'])) as readonly string[];
  reply(response, 200, page(context, messages), 'text/html');
}

function who(context: ProgramContext): string {
  return `${context.hostname} (${context.ip}) version ${context.imageTag}`;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > messageLengthMax + 2) return text;
  }
  return text;
}

/** One request to the store on a connection of its own. Looks the host up each time: the store's address may change. */
function ask(context: ProgramContext, command: readonly string[]): Promise<RespValue> {
  const host = context.env.KV_HOST ?? 'kv';
  const password = context.env.KV_PASSWORD;
  const auth = password === undefined || password === '' ? '' : encodeResp(['AUTH', password]);
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: portOf(context, 'KV_PORT', 6379) });
    const reader = new RespReader();
    let skip = auth === '' ? 0 : 1;
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(storeTimeoutMs, () => fail(new Error('timeout')));
    socket.on('error', fail);
    socket.on('close', () => reject(new Error('connection closed')));
    socket.on('data', (bytes: Buffer) => {
      try {
        for (const value of reader.push(bytes)) {
          if (value instanceof Error) return fail(value);
          if (skip-- > 0) continue;
          resolve(value);
          socket.end();
        }
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)));
      }
    });
    socket.write(auth + encodeResp(command));
  });
}

function page(context: ProgramContext, messages: readonly string[]): string {
  const items = messages.map((text) => `<li>${escapeHtml(text)}</li>`).join('');
  const title = escapeHtml(context.env.TITLE ?? 'Guestbook');
  return `<!doctype html><meta charset="utf-8"><title>${title}</title><h1>${title}</h1><ul>${items}</ul>
<form onsubmit="fetch('/messages',{method:'POST',body:this.m.value}).then(()=>location.reload());return false">
<input name="m" autofocus><button>Write</button></form><p>answered by ${escapeHtml(who(context))}</p>\n`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
