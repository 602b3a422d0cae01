/** The suite for handlers behind HTTPS and in the same process. */
import { Buffer } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { ApiHandler, ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { type AnsweredCall, type AskedCall, type Caller, servingConformance } from './conformance.ts';
import { serveForTest } from './test-server.ts';
import { ask, openSession } from './test-streams.ts';
import { takeUpgrade } from './upgrade-in-process.ts';

async function answered(response: IncomingMessage): Promise<AnsweredCall> {
  const { statusCode, headers } = response;
  return { status: statusCode!, headers: headers as AnsweredCall['headers'], text: await text(response) };
}

async function overNetwork(handler: ApiHandler): Promise<Caller> {
  const server = await serveForTest(handler);
  const options = { host: '127.0.0.1', port: server.port, rejectUnauthorized: false, agent: false } as const;
  return {
    call: ({ method = 'GET', path = '/', headers = {}, body, signal }: AskedCall) =>
      new Promise((resolve, reject) => {
        const sent = request({ ...options, method, path, headers, ...(signal && { signal }) }, (response) => {
          resolve(answered(response));
        });
        sent.on('error', reject);
        if (!Array.isArray(body)) sent.end(body as Uint8Array | undefined);
        else {
          for (const part of body) sent.write(part);
          sent.end();
        }
      }),
    upgrade: (first) =>
      new Promise((resolve, reject) => {
        const headers = { connection: 'Upgrade', upgrade: 'WebSocket' };
        const sent = request({ ...options, headers }, (response) => resolve(answered(response)));
        sent.on('error', reject);
        sent.on('upgrade', (_response, socket: Duplex, head: Buffer) => {
          if (head.length > 0) socket.unshift(head);
          resolve(socket);
        });
        sent.flushHeaders();
        // Right behind the head, as one that is sure of its upgrade does.
        sent.once('socket', (socket) =>
          socket.once('secureConnect', () => process.nextTick(() => socket.write(first))),
        );
      }),
    close: () => server.close(),
  };
}

async function overStreams(handler: ApiHandler): Promise<Caller> {
  const server = await serveForTest(handler);
  return {
    async call(asked: AskedCall) {
      // Whoever is not known has one request on a connection.
      const session = await openSession(server.port);
      try {
        const { status, headers, text } = await ask(session, asked);
        return { status, headers: headers as AnsweredCall['headers'], text };
      } finally {
        session.destroy();
      }
    },
    upgrade: () => Promise.reject(new Error('A stream cannot be upgraded')),
    close: () => server.close(),
  };
}

async function inProcess(handler: ApiHandler): Promise<Caller> {
  const ask = (asked: Partial<ApiRequest>): Promise<ApiResponse> =>
    handler({
      method: 'GET',
      path: '/',
      query: '',
      headers: {},
      peer: { address: '' },
      signal: new AbortController().signal,
      ...asked,
    });
  return {
    async call({ method = 'GET', path = '/', headers = {}, signal }) {
      const [local = '', query = ''] = path.split('?');
      return plain(await ask({ method, path: local, query, headers, ...(signal && { signal }) }));
    },
    async upgrade(first) {
      const response = await ask({ upgrade: 'websocket' });
      if (response.body.kind !== 'upgrade') return plain(response);
      const connection = takeUpgrade(response.body);
      connection.write(first);
      return connection;
    },
    async close() {},
  };
}

async function plain({ status, headers, body }: ApiResponse): Promise<AnsweredCall> {
  const parts: Uint8Array[] = [];
  if (body.kind === 'bytes') parts.push(body.bytes);
  else if (body.kind === 'object') parts.push(body.bytes());
  else if (body.kind === 'stream') for await (const chunk of body.chunks) parts.push(chunk);
  else if (body.kind === 'watch') {
    for await (const batch of body.batches) for (const one of batch) parts.push(one.bytes());
  }
  return { status, headers, text: Buffer.concat(parts).toString() };
}

servingConformance({ name: 'HTTPS', isNetwork: true, isSingle: true, serve: overNetwork });
servingConformance({ name: 'in process', isNetwork: false, isSingle: true, serve: inProcess });
servingConformance({ name: 'HTTP/2', isNetwork: true, isSingle: false, serve: overStreams });
