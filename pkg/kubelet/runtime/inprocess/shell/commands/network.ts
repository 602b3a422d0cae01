/** Commands on the network, which is that of the pod. */
import { createSocket } from 'node:dgram';
import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { connect } from 'node:net';
import { sleep } from '#pkg/base/async.ts';
import { BytePipe } from '#pkg/base/byte-pipe.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { parseArguments } from '../arguments.ts';
import { CommandError, fileSink, put, readAll, type Sink } from '../io.ts';
import type { Invocation, Utility } from '../utility.ts';

/** How long a server may take to answer where nothing else was said. */
const timeoutSecondsDefault = 60;

interface Transfer {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly timeoutSeconds: number;
  readonly follows: boolean;
  /** Address that the connection comes from; redirects are not followed then. */
  readonly from?: string;
}

async function transfer({ signal, container }: Invocation, wanted: Transfer): Promise<Response> {
  const url = /^[a-z]+:\/\//.test(wanted.url) ? wanted.url : `http://${wanted.url}`;
  const late = new AbortController();
  const stop = (): void => late.abort();
  signal.addEventListener('abort', stop, { once: true });
  void sleep(container.program.clock, wanted.timeoutSeconds * 1000, late.signal).then(
    (isLate) => isLate && late.abort(),
  );
  // A command is a process of its own elsewhere, whose connections end with it.
  const headers = { connection: 'close', ...wanted.headers };
  if (wanted.from !== undefined) return transferFrom(wanted.from, { ...wanted, url, headers }, late.signal);
  return fetch(url, {
    method: wanted.method,
    headers,
    redirect: wanted.follows ? 'follow' : 'manual',
    signal: late.signal,
    ...(wanted.body === undefined ? {} : { body: wanted.body }),
  });
}

/** As `fetch`, which cannot be told where to come from. */
function transferFrom(
  localAddress: string,
  { url, method, headers, body }: Transfer,
  signal: AbortSignal,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const ask = url.startsWith('https:') ? secureRequest : plainRequest;
    const asked = ask(url, { method, headers, localAddress, signal }, (answer) => {
      const { statusCode = 0, statusMessage = '', headersDistinct } = answer;
      const lines = Object.entries(headersDistinct).flatMap(([name, values = []]) =>
        values.map((value): [string, string] => [name, value]),
      );
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        // These have no body, and the constructor takes none.
        const content = [204, 205, 304].includes(statusCode) ? null : Buffer.concat(chunks);
        resolve(new Response(content, { status: statusCode, statusText: statusMessage, headers: lines }));
      });
    });
    asked.on('error', (cause) => reject(new Error(cause.message, { cause })));
    asked.end(body);
  });
}

/** Why a server could not be asked. */
function causeOf(error: unknown): string {
  const { cause } = error as { readonly cause?: { readonly code?: string } };
  if (cause?.code === 'ECONNREFUSED') return 'Connection refused';
  if (cause?.code === 'ENOTFOUND' || cause?.code === 'EAI_AGAIN') return 'bad address';
  return (error as Error).name === 'AbortError' ? 'download timed out' : errorText(cause ?? error);
}

async function copyBody(response: Response, sink: Sink): Promise<void> {
  if (response.body === null) return;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) await put(sink, chunk);
}

/** Writes to a file of the container, or to standard output. */
async function intoPlace(
  invocation: Invocation,
  path: string | undefined,
  write: (sink: Sink) => Promise<void>,
): Promise<void> {
  if (path === undefined || path === '-') return write(invocation.stdout);
  const { files } = invocation.container;
  const handle = await files.open(files.absolute(invocation.cwd, path), 'w');
  try {
    await write(fileSink(handle));
  } finally {
    await handle.close();
  }
}

const wget: Utility = async (invocation) => {
  const { operands, flags, values } = parseArguments(invocation.args, {
    flags: 'qScS',
    valued: 'OTUtP',
    long: ['spider', 'header=', 'post-data=', 'timeout=', 'tries=', 'no-check-certificate', 'quiet', 'server-response'],
  });
  const [url] = operands;
  if (url === undefined) throw new CommandError('missing URL');
  const host = url.replace(/^[a-z]+:\/\//, '').replace(/\/.*/, '');
  let response: Response;
  try {
    response = await transfer(invocation, {
      url,
      method: flags.has('spider') ? 'HEAD' : values['post-data'] === undefined ? 'GET' : 'POST',
      headers: headersOf(values.header === undefined ? [] : [values.header]),
      ...(values['post-data'] === undefined ? {} : { body: values['post-data'] }),
      timeoutSeconds: Number(values.T ?? values.timeout ?? timeoutSecondsDefault),
      follows: true,
    });
  } catch (error) {
    throw new CommandError(`can't connect to remote host (${host}): ${causeOf(error)}`);
  }
  if (!response.ok) throw new CommandError(`server returned error: HTTP/1.1 ${response.status} ${response.statusText}`);
  if (flags.has('spider')) return 0;
  const name = values.O ?? (new URL(response.url).pathname.split('/').at(-1) || 'index.html');
  await intoPlace(invocation, name, (sink) => copyBody(response, sink));
  return 0;
};

function headersOf(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    }),
  );
}

const curl: Utility = async (invocation) => {
  const { headers, args } = repeated(invocation.args);
  const { operands, flags, values } = parseArguments(args, {
    flags: 'sSfkLigIvq',
    valued: 'XodmwAT',
    long: [
      'silent',
      'fail',
      'location',
      'include',
      'head',
      'insecure',
      'show-error',
      'request=',
      'output=',
      'data=',
      'max-time=',
      'connect-timeout=',
      'interface=',
      'write-out=',
      'retry=',
    ],
  });
  const [url] = operands;
  if (url === undefined) throw new CommandError('no URL specified', 2);
  const data = values.d ?? values.data;
  const body = data === '@-' ? await readAll(invocation.stdin) : data;
  let response: Response;
  try {
    response = await transfer(invocation, {
      url,
      method:
        values.X ??
        values.request ??
        (flags.has('I') || flags.has('head') ? 'HEAD' : body === undefined ? 'GET' : 'POST'),
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
        ...headersOf(headers),
      },
      ...(body === undefined ? {} : { body }),
      timeoutSeconds: Number(values.m ?? values['max-time'] ?? timeoutSecondsDefault),
      follows: flags.has('L') || flags.has('location'),
      ...(values.interface === undefined ? {} : { from: values.interface }),
    });
  } catch (error) {
    throw new CommandError(`(7) Failed to connect: ${causeOf(error)}`, 7);
  }
  if ((flags.has('f') || flags.has('fail')) && response.status >= 400) {
    throw new CommandError(`(22) The requested URL returned error: ${response.status}`, 22);
  }
  await intoPlace(invocation, values.o ?? values.output, async (sink) => {
    if (flags.has('i') || flags.has('include') || flags.has('I') || flags.has('head')) {
      const lines = [...response.headers].map(([name, value]) => `${name}: ${value}`);
      await put(sink, `${[`HTTP/1.1 ${response.status} ${response.statusText}`, ...lines].join('\r\n')}\r\n\r\n`);
    }
    await copyBody(response, sink);
  });
  const format = values.w ?? values['write-out'];
  if (format !== undefined) {
    await put(invocation.stdout, format.replaceAll('%{http_code}', String(response.status)).replaceAll('\\n', '\n'));
  }
  return 0;
};

/** Headers may be given any number of times. */
function repeated(args: readonly string[]): { readonly headers: readonly string[]; readonly args: readonly string[] } {
  const headers: string[] = [];
  const rest: string[] = [];
  for (let at = 0; at < args.length; at++) {
    if (args[at] === '-H' || args[at] === '--header') headers.push(args[++at] ?? '');
    else rest.push(args[at]!);
  }
  return { headers, args: rest };
}

const netcat: Utility = async (invocation) => {
  const { operands, flags, values } = parseArguments(invocation.args, { flags: 'vztnu', valued: 'w' });
  const [host, port] = operands;
  if (host === undefined || !/^\d+$/.test(port ?? '')) throw new CommandError('usage: nc [-vz] [-w SECONDS] HOST PORT');
  const timeoutMs = Number(values.w ?? timeoutSecondsDefault) * 1000;
  if (flags.has('u')) return datagrams(invocation, { host, port: Number(port), timeoutMs });
  const socket = connect({ host, port: Number(port), allowHalfOpen: true, signal: invocation.signal });
  const done = new AbortController();
  void sleep(invocation.container.program.clock, timeoutMs, done.signal).then(
    (isLate) => isLate && socket.destroy(new Error('timed out')),
  );
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
  } catch (error) {
    throw new CommandError(`${host} (${host}:${port}): ${causeOf({ cause: error })}`);
  } finally {
    done.abort();
  }
  if (flags.has('v')) await put(invocation.stderr, `${host} (${host}:${port}) open\n`);
  if (flags.has('z')) {
    socket.destroy();
    return 0;
  }
  const sending = (async () => {
    for (let chunk = await invocation.stdin.read(); chunk !== undefined; chunk = await invocation.stdin.read()) {
      if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve));
    }
    socket.end();
  })();
  sending.catch(() => socket.destroy());
  for await (const chunk of socket) await put(invocation.stdout, chunk as Buffer);
  return 0;
};

/** Sends what is read as one datagram after the other, and shows what comes back until nothing has for a while. */
async function datagrams(
  { stdin, stdout, signal, container }: Invocation,
  { host, port, timeoutMs }: { readonly host: string; readonly port: number; readonly timeoutMs: number },
): Promise<number> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const received = new BytePipe();
  socket.on('message', (bytes) => void received.write(bytes));
  socket.on('error', (error) => received.end(error));
  signal.addEventListener('abort', () => received.end(), { once: true });
  try {
    for (let chunk = await stdin.read(); chunk !== undefined; chunk = await stdin.read()) {
      socket.send(chunk, port, host, (error) => error !== null && received.end(error));
    }
    for (;;) {
      const done = new AbortController();
      const silent = sleep(container.program.clock, timeoutMs, done.signal).then(() => undefined);
      const bytes = await Promise.race([received.read(), silent]);
      done.abort();
      if (bytes === undefined) return 0;
      await put(stdout, bytes);
    }
  } finally {
    received.cancel();
    socket.close();
  }
}

/** By name. */
export const networkCommands: Readonly<Record<string, Utility>> = { curl, nc: netcat, wget };
