/**
 * What every way to reach an `ApiHandler` must do, over a network or in the same process: one suite, which each of them runs. It holds the laws of
 * `pkg/apimachinery/http.ts` as both sides see them. What only a network has (bodies that are not read yet, clients that send rubbish) is asked
 * of those that say they have it.
 */
import { Buffer } from 'node:buffer';
import type { Duplex } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import type { ApiHandler, ApiRequest, ApiResponse, ReadyFrames, WatchFrame } from '#pkg/apimachinery/http.ts';
import type { StatusError } from '#pkg/apimachinery/status-error.ts';

export interface AskedCall {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent with its length, or in chunks where it is a list. */
  readonly body?: Uint8Array | readonly Uint8Array[];
  readonly signal?: AbortSignal;
}

export interface AnsweredCall {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
}

/** Calls one handler. */
export interface Caller {
  call(asked: AskedCall): Promise<AnsweredCall>;
  /** Asks for `echo` over the upgrade `websocket`, with `first` right behind the request; the connection, or the plain answer. */
  upgrade(first: string): Promise<Duplex | AnsweredCall>;
  close(): Promise<void>;
}

export interface ServingStage {
  readonly name: string;
  /** Bodies come unread, and failures of handlers are answers. */
  readonly isNetwork: boolean;
  /** A connection is one request's at a time: it can be upgraded, and ends with a body that nobody reads. */
  readonly isSingle: boolean;
  serve(handler: ApiHandler): Promise<Caller>;
}

const textType = { 'content-type': 'text/plain' };
const limit = { limitBytes: 1_000 };

const said = (status: number, text: string): ApiResponse => ({
  status,
  headers: textType,
  body: { kind: 'bytes', bytes: Buffer.from(text) },
});

const frame = (name: string): WatchFrame => ({
  type: 'ADDED',
  object: { metadata: { name } },
  bytes: () => Buffer.from(`${name}\n`),
});

async function* inTurn<T>(...values: T[]): AsyncGenerator<T> {
  yield* values;
}

/** Frames that are there, and then the end. */
function readyFrames(frames: readonly WatchFrame[]): ReadyFrames {
  let left = frames;
  return {
    isEnded: true,
    take() {
      const taken = left;
      left = [];
      return taken;
    },
    onReady() {},
    close() {},
  };
}

/** The whole body as text, or what reading it was refused with. */
async function readText({ body }: ApiRequest): Promise<ApiResponse> {
  if (body?.kind === 'bytes') return said(200, Buffer.from(body.bytes).toString());
  if (body?.kind !== 'unread') return said(200, body === undefined ? 'none' : JSON.stringify(body.object));
  try {
    return said(200, Buffer.from(await body.read(limit)).toString());
  } catch (error) {
    return said((error as StatusError).status.code, (error as StatusError).message);
  }
}

/** Runs the suite against a way to reach handlers. */
export function servingConformance(stage: ServingStage): void {
  const serve = async (handler: ApiHandler): Promise<Caller> => {
    const caller = await stage.serve(handler);
    onTestFinished(() => caller.close());
    return caller;
  };
  answers(stage, serve);
  if (stage.isSingle) upgrades(stage, serve);
  if (stage.isNetwork) bodies(stage, serve);
}

type Serve = (handler: ApiHandler) => Promise<Caller>;

function answers({ name, isNetwork }: ServingStage, serve: Serve): void {
  const bodies: readonly (readonly [kind: string, () => ApiResponse['body'], text: string])[] = [
    ['empty', () => ({ kind: 'empty' }), ''],
    ['bytes', () => ({ kind: 'bytes', bytes: Buffer.from('a ü') }), 'a ü'],
    ['object', () => ({ kind: 'object', object: {}, bytes: () => Buffer.from('{}') }), '{}'],
    ['stream', () => ({ kind: 'stream', chunks: inTurn(Buffer.from('a'), Buffer.from('b')) }), 'ab'],
    ['watch', () => ({ kind: 'watch', batches: inTurn([frame('a'), frame('b')], [frame('c')]) }), 'a\nb\nc\n'],
    [
      'watch that is ready',
      () => ({
        kind: 'watch',
        batches: inTurn([frame('a'), frame('b')]),
        ready: readyFrames([frame('a'), frame('b')]),
      }),
      'a\nb\n',
    ],
  ];

  test.each(bodies)(`${name}: an answer of kind %s comes whole`, async (_kind, body, text) => {
    const caller = await serve(async () => ({ status: 201, headers: { ...textType, 'x-a': 'b' }, body: body() }));
    const answer = await caller.call({});
    expect([answer.status, answer.headers['x-a'], answer.text]).toEqual([201, 'b', text]);
  });

  test(`${name}: the handler is given method, path, query and headers as they were sent`, async () => {
    const seen: unknown[] = [];
    const caller = await serve(async ({ method, path, query, headers, upgrade }) => {
      seen.push(method, path, query, headers['x-a'], upgrade);
      return said(200, '');
    });
    await caller.call({ method: 'PUT', path: '/a%2Fb//c?d=%20&e', headers: { 'x-a': '1' } });
    expect(seen).toEqual(['PUT', '/a%2Fb//c', 'd=%20&e', '1', undefined]);
  });

  test(`${name}: a caller that leaves aborts the request`, async () => {
    const leaving = new AbortController();
    const left = Promise.withResolvers<void>();
    const caller = await serve(({ signal }) => {
      signal.addEventListener('abort', () => left.resolve());
      leaving.abort();
      return new Promise(() => {});
    });
    caller.call({ signal: leaving.signal }).catch(() => {});
    await left.promise;
  });

  if (!isNetwork) return;
  test.each([
    [
      'throws',
      () => {
        throw new Error('bug');
      },
    ],
    ['rejects', () => Promise.reject(new Error('bug'))],
    [
      'answers with an upgrade that nobody asked for',
      async (): Promise<ApiResponse> => ({ status: 101, headers: {}, body: { kind: 'upgrade', async accept() {} } }),
    ],
  ])(`${name}: a handler that %s is a failure of one request`, async (_what, handler) => {
    let isBroken = true;
    const caller = await serve((request) => (isBroken ? handler() : readText(request)));
    expect((await caller.call({})).status).toBe(500);
    isBroken = false;
    expect((await caller.call({})).status).toBe(200);
  });

  test(`${name}: HEAD has the head of the answer alone`, async () => {
    const caller = await serve(async () => said(200, 'abc'));
    const { text, headers } = await caller.call({ method: 'HEAD' });
    expect([text, headers['content-length']]).toEqual(['', '3']);
  });
}

function upgrades({ name }: ServingStage, serve: Serve): void {
  const echo = async ({ upgrade }: ApiRequest): Promise<ApiResponse> => {
    if (upgrade !== 'websocket') return said(400, `unable to upgrade: ${upgrade}`);
    return {
      status: 101,
      headers: { upgrade: 'websocket', 'x-protocol': 'echo' },
      body: {
        kind: 'upgrade',
        async accept(connection) {
          for await (const bytes of connection) {
            const text = Buffer.from(bytes).toString();
            if (text.includes('fail')) throw new Error('The protocol is broken');
            connection.write(Buffer.from(text.toUpperCase()));
            if (text.includes('.')) return;
          }
        },
      },
    };
  };
  const connect = async (caller: Caller, first: string): Promise<Duplex> => {
    const connection = await caller.upgrade(first);
    if (!('write' in connection)) throw new Error(`Cannot upgrade: ${connection.status} ${connection.text}`);
    return connection;
  };

  test(`${name}: an upgrade is a connection both ways, beginning with what came behind the request`, async () => {
    const caller = await serve(echo);
    const connection = await connect(caller, 'ab');
    expect(await next(connection)).toBe('AB');
    connection.write('cd.');
    expect(await rest(connection)).toBe('CD.');
  });

  test(`${name}: a protocol that fails ends the connection`, async () => {
    const caller = await serve(echo);
    const connection = await connect(caller, 'a');
    expect(await next(connection)).toBe('A');
    connection.write('fail');
    expect(await rest(connection)).toBe('');
    expect((await caller.call({})).status).toBe(400);
  });

  test(`${name}: an upgrade that nobody takes is answered, and no connection hangs`, async () => {
    const caller = await serve(async () => said(403, 'no'));
    const answer = await caller.upgrade('more');
    expect('status' in answer && [answer.status, answer.text]).toEqual([403, 'no']);
  });

  test(`${name}: an upgrade that nobody takes may be answered by a stream`, async () => {
    const part = Buffer.alloc(100_000, 'a');
    const caller = await serve(async () => ({
      status: 200,
      headers: textType,
      body: { kind: 'stream', chunks: inTurn(...Array.from({ length: 50 }, () => part)) },
    }));
    const answer = await caller.upgrade('');
    expect('status' in answer && [answer.status, answer.text.length]).toEqual([200, 5_000_000]);
  });
}

function bodies({ name, isSingle }: ServingStage, serve: Serve): void {
  const bytes = Buffer.from('some body');

  test.each([
    ['with its length', bytes],
    ['in chunks', [bytes.subarray(0, 4), bytes.subarray(4)]],
    ['up to the limit', Buffer.alloc(limit.limitBytes, 'x')],
  ])(`${name}: a body %s is read`, async (_how, body) => {
    const caller = await serve(readText);
    const { text } = await caller.call({ method: 'POST', body });
    expect(text).toBe((Array.isArray(body) ? bytes : (body as Buffer)).toString());
  });

  test.each([
    ['announced', Buffer.alloc(limit.limitBytes + 1, 'x')],
    ['in chunks', Array.from({ length: 3 }, () => Buffer.alloc(400, 'x'))],
    ['far beyond it', Buffer.alloc(8_000_000, 'x')],
  ])(`${name}: a body over the limit, %s, is refused, and the client sees it`, async (_how, body) => {
    const caller = await serve((request) => {
      request.peer.identified?.('ann');
      return readText(request);
    });
    const { status, text } = await caller.call({ method: 'POST', body });
    expect([status, text]).toEqual([413, 'Request entity too large: limit is 1000']);
  });

  test(`${name}: a body is read once`, async () => {
    const caller = await serve(async ({ body }) => {
      if (body?.kind !== 'unread') return said(500, 'read already');
      expect(body.lengthBytes).toBe(bytes.length);
      await body.read(limit);
      expect(() => body.chunks()).toThrow('Cannot read a body twice');
      expect(() => body.read(limit)).toThrow('Cannot read a body twice');
      return said(200, 'good');
    });
    expect((await caller.call({ method: 'POST', body: bytes })).text).toBe('good');
  });

  test(`${name}: a body can be read as it comes`, async () => {
    const caller = await serve(async ({ body }) => {
      if (body?.kind !== 'unread') return said(500, 'read already');
      let length = 0;
      for await (const chunk of body.chunks()) length += chunk.length;
      return said(200, String(length));
    });
    expect((await caller.call({ method: 'POST', body: Buffer.alloc(5_000_000) })).text).toBe('5000000');
  });

  test(`${name}: a body can be read while it is answered`, async () => {
    const caller = await serve(async ({ body }) => {
      if (body?.kind !== 'unread') return said(500, 'read already');
      return { status: 200, headers: {}, body: { kind: 'stream', chunks: body.chunks() } };
    });
    const sent = Buffer.alloc(1_000_000, 'abcdefg');
    const { text } = await caller.call({ method: 'POST', body: sent });
    expect(text === sent.toString()).toBe(true);
  });

  test(`${name}: nobody who asks for a head alone is taken for gone`, async () => {
    const caller = await serve(async ({ signal }) => said(signal.aborted ? 500 : 200, ''));
    expect((await caller.call({ method: 'HEAD' })).status).toBe(200);
  });

  test(`${name}: a request without a body has none`, async () => {
    const caller = await serve(readText);
    expect((await caller.call({ method: 'POST', body: Buffer.alloc(0) })).text).toBe('none');
    expect((await caller.call({ method: 'GET' })).text).toBe('none');
  });

  test(`${name}: a body that nobody reads is not read, and ends the connection`, async () => {
    const caller = await serve(async () => said(401, 'who are you'));
    const answer = await caller.call({ method: 'POST', body: Buffer.alloc(3_000_000) });
    expect([answer.status, answer.text, answer.headers.connection]).toEqual([
      401,
      'who are you',
      isSingle ? 'close' : undefined,
    ]);
  });
}

/** The next bytes of a connection. */
function next(connection: Duplex): Promise<string> {
  return new Promise((resolve) => {
    connection.once('data', (bytes: Buffer) => {
      connection.pause();
      resolve(bytes.toString());
    });
  });
}

/** What still comes until the end, however that comes. */
function rest(connection: Duplex): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    connection.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
    connection.on('error', () => {});
    connection.once('close', () => resolve(text));
    connection.once('end', () => connection.end());
    connection.resume();
  });
}
