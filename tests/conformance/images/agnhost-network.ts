/** The servers of the stand-in for agnhost. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { ProgramContext } from '#pkg/kubelet/runtime/inprocess/program.ts';

type Flags = ReadonlyMap<string, string>;

/** What a server says. */
export interface Said {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request, as far as the commands look at it. */
interface Asked {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly from: string;
}

/** Listens on the pod's address until the program is told to end. */
export function serveOn(context: ProgramContext, port: number, answer: (asked: Asked) => Promise<Said> | Said): void {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://x');
    const { remoteAddress, remotePort } = request.socket;
    void Promise.resolve(answer({ url, headers: request.headers, from: `${remoteAddress}:${remotePort}` })).then(
      (said) => response.writeHead(said.status, said.headers).end(request.method === 'HEAD' ? '' : said.body),
    );
  }).listen(port, context.ip);
  context.signal.addEventListener('abort', () => {
    server.close();
    server.closeAllConnections();
  });
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
