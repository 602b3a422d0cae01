/**
 * `coxswain.dev/kv`: a key-value store that speaks RESP on `PORT` (6379): PING, ECHO, GET, SET, DEL, EXISTS, INCR, RPUSH, LRANGE, LLEN, KEYS,
 * DBSIZE, FLUSHALL, AUTH. With `PASSWORD` set, clients have to AUTH first. With `DATA` set, it keeps its data in that file.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import type { Program, ProgramContext } from '../program.ts';
import { encodeResp, RespReader, type RespValue } from './resp.ts';
import { portOf } from './serve.ts';

type Stored = string | string[];
type Handler = (data: Map<string, Stored>, args: readonly string[]) => RespValue;

const ok = 'OK';
const wrongType = new Error('WRONGTYPE Operation against a key holding the wrong kind of value');

/** Commands by name, with the least number of arguments, and whether they change data. */
const handlers: Readonly<Record<string, readonly [number, boolean, Handler]>> = {
  PING: [0, false, (_, [text]) => text ?? 'PONG'],
  ECHO: [1, false, (_, [text = '']) => text],
  GET: [1, false, (data, [key = '']) => asString(data.get(key))],
  SET: [
    2,
    true,
    (data, [key = '', value = '']) => {
      data.set(key, value);
      return ok;
    },
  ],
  DEL: [1, true, (data, keys) => keys.filter((key) => data.delete(key)).length],
  EXISTS: [1, false, (data, keys) => keys.filter((key) => data.has(key)).length],
  INCR: [
    1,
    true,
    (data, [key = '']) => {
      const value = Number(data.get(key) ?? 0) + 1;
      if (!Number.isInteger(value)) return new Error('ERR value is not an integer or out of range');
      data.set(key, String(value));
      return value;
    },
  ],
  RPUSH: [
    2,
    true,
    (data, [key = '', ...values]) => {
      const list = data.get(key) ?? [];
      if (typeof list === 'string') return wrongType;
      list.push(...values);
      data.set(key, list);
      return list.length;
    },
  ],
  LRANGE: [
    3,
    false,
    (data, [key = '', from, to]) => {
      const list = data.get(key) ?? [];
      if (typeof list === 'string') return wrongType;
      const last = Number(to);
      return list.slice(Number(from), last === -1 ? undefined : last + 1);
    },
  ],
  LLEN: [1, false, (data, [key = '']) => data.get(key)?.length ?? 0],
  KEYS: [0, false, (data) => [...data.keys()]],
  DBSIZE: [0, false, (data) => data.size],
  FLUSHALL: [
    0,
    true,
    (data) => {
      data.clear();
      return ok;
    },
  ],
};

/** The image's program. */
export const program: Program = {
  async main(context) {
    const file = context.env.DATA === undefined ? undefined : context.resolve(context.env.DATA);
    const data = await load(file);
    let saved = Promise.resolve();
    const changed = (): void => {
      if (file !== undefined)
        saved = saved.then(() => save(file, data)).catch((error: unknown) => context.error(String(error)));
    };
    const port = portOf(context, 'PORT', 6379);
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      serveClient(context, socket, { data, changed });
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, context.ip, resolve);
    });
    context.log(`ready to accept connections on ${context.ip}:${port}`);
    await new Promise<void>((resolve) => {
      context.signal.addEventListener('abort', () => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      });
    });
    await saved;
    return 0;
  },
};

function serveClient(
  context: ProgramContext,
  socket: Socket,
  store: { readonly data: Map<string, Stored>; changed(): void },
): void {
  const password = context.env.PASSWORD;
  const reader = new RespReader();
  let allowed = password === undefined || password === '';
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes: Buffer) => {
    try {
      for (const request of reader.push(bytes)) {
        const [name = '', ...args] = Array.isArray(request) ? request.map(String) : [];
        if (name.toUpperCase() === 'AUTH') {
          allowed = args.at(-1) === password;
          socket.write(allowed ? '+OK\r\n' : encodeResp(new Error('WRONGPASS invalid username-password pair')));
          continue;
        }
        socket.write(allowed ? run(store, name, args) : encodeResp(new Error('NOAUTH Authentication required.')));
      }
    } catch (error) {
      socket.end(encodeResp(error instanceof Error ? error : new Error('ERR')));
    }
  });
}

function run(
  store: { readonly data: Map<string, Stored>; changed(): void },
  name: string,
  args: readonly string[],
): string {
  const upper = name.toUpperCase();
  const entry = Object.hasOwn(handlers, upper) ? handlers[upper] : undefined;
  if (entry === undefined) return encodeResp(new Error(`ERR unknown command '${name}'`));
  const [argsMin, writes, handler] = entry;
  if (args.length < argsMin)
    return encodeResp(new Error(`ERR wrong number of arguments for '${name.toLowerCase()}' command`));
  const answer = handler(store.data, args);
  if (writes) store.changed();
  return answer === ok || answer === 'PONG' ? `+${answer}\r\n` : encodeResp(answer);
}

function asString(value: Stored | undefined): RespValue {
  if (value === undefined) return null;
  return typeof value === 'string' ? value : wrongType;
}

async function load(file: string | undefined): Promise<Map<string, Stored>> {
  if (file === undefined) return new Map();
  try {
    return new Map(JSON.parse(await readFile(file, 'utf8')) as [string, Stored][]);
  } catch {
    return new Map();
  }
}

async function save(file: string, data: ReadonlyMap<string, Stored>): Promise<void> {
  await writeFile(`${file}.tmp`, JSON.stringify([...data]));
  await rename(`${file}.tmp`, file);
}
