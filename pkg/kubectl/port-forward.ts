/**
 * `port-forward`: ports of this machine that lead to those of a pod, each connection over a WebSocket of its own. Source: kubectl
 * `cmd/portforward/portforward.go`, `util/service_port.go`.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { aborted } from '#pkg/base/async.ts';
import { duration, type FlagTable, type FlagValues, list } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList, digText } from './api.ts';
import type { KubectlContext } from './context.ts';
import { pathOf } from './discovery.ts';
import { UsageError } from './errors.ts';
import { type ChosenPod, choosePod } from './pod-choice.ts';
import { getObject, parseTargets } from './targets.ts';

/** The flags of the command. */
export const portForwardFlags = {
  address: list({ help: 'Addresses to listen on.', fallback: ['localhost'], placeholder: 'address,…' }),
  'pod-running-timeout': duration({ help: 'Taken and not used.', fallback: 60_000 }),
} satisfies FlagTable;

type Values = FlagValues<typeof portForwardFlags> & { readonly namespace: string };

const protocol = 'v4.channel.k8s.io';

interface Forward {
  readonly local: number;
  readonly remote: number;
}

/** Runs until its signal; resolves to the exit code. */
export async function portForward(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  const [word = '', ...specs] = args;
  if (specs.length === 0) throw new UsageError('error: TYPE/NAME and list of ports are required for port-forward');
  const pod = await choosePod(context, values, word);
  if (digText(pod.pod, 'status', 'phase') !== 'Running')
    throw new UserError(
      `error: unable to forward port because pod is not running. Current status=${digText(pod.pod, 'status', 'phase')}`,
    );
  const service = await serviceOf(context, values, word);
  const forwards = specs.map((spec) => forwardOf(spec, pod.pod, service));
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  try {
    for (const forward of forwards)
      for (const address of addressesOf(values.address))
        servers.push(await listen(context, { pod, forward, address, sockets }));
    await aborted(context.signal);
    return 0;
  } finally {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
  }
}

function addressesOf(words: readonly string[]): readonly string[] {
  return words.flatMap((word) => (word === 'localhost' ? ['127.0.0.1'] : [word]));
}

async function serviceOf(context: KubectlContext, values: Values, word: string): Promise<JsonObject | undefined> {
  if (!word.includes('/')) return undefined;
  const [target] = await parseTargets(context, [word], { namespace: values.namespace || context.api.namespace });
  return target?.mapping.kind === 'Service' ? getObject(context, target) : undefined;
}

function forwardOf(spec: string, pod: JsonObject, service: JsonObject | undefined): Forward {
  const [first = '', second, ...more] = spec.split(':');
  if (more.length > 0) throw new UserError(`error: invalid port format '${spec}'`);
  const asked = second ?? first;
  const remote = remotePort(asked, pod, service);
  const local =
    second === undefined ? (/^\d+$/.test(first) ? Number(first) : remote) : first === '' ? 0 : Number(first);
  if (!Number.isInteger(local) || local > 65_535)
    throw new UserError(
      `error: error parsing local port '${first}': strconv.ParseUint: parsing ${JSON.stringify(first)}: invalid syntax`,
    );
  return { local, remote };
}

function remotePort(text: string, pod: JsonObject, service: JsonObject | undefined): number {
  const ports = digList(pod, 'spec', 'containers').flatMap((container) => digList(container, 'ports'));
  const ofPod = (name: string): number => {
    if (/^\d+$/.test(name)) return Number(name);
    const found = ports.find((port) => digText(port, 'name') === name);
    if (found === undefined)
      throw new UserError(`error: Pod '${digText(pod, 'metadata', 'name')}' does not have a named port '${name}'`);
    return Number(digText(found, 'containerPort'));
  };
  if (service === undefined) return ofPod(text);
  const found = digList(service, 'spec', 'ports').find(
    (port) => digText(port, 'port') === text || digText(port, 'name') === text,
  );
  if (found === undefined) {
    const what = /^\d+$/.test(text) ? 'a service port' : 'a named port';
    throw new UserError(`error: Service ${digText(service, 'metadata', 'name')} does not have ${what} ${text}`);
  }
  return ofPod(digText(found, 'targetPort') || digText(found, 'port'));
}

interface Listening {
  readonly pod: ChosenPod;
  readonly forward: Forward;
  readonly address: string;
  /** Connections that are open. */
  readonly sockets: Set<Socket>;
}

function listen(context: KubectlContext, { pod, forward, address, sockets }: Listening): Promise<Server> {
  const { remote } = forward;
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      // Whoever goes away says nothing more; what it was is over.
      socket.on('error', () => {});
      void carry(context, { pod, remote, socket });
    });
    server.once('error', (error) => {
      reject(
        new UserError(`error: unable to listen on any of the requested ports: [{${forward.local} ${remote}}]`, error),
      );
    });
    server.listen(forward.local, address, () => {
      const bound = server.address();
      const port = typeof bound === 'object' && bound !== null ? bound.port : forward.local;
      context.print(`Forwarding from ${address}:${port} -> ${remote}\n`);
      resolve(server);
    });
  });
}

/** Carries one connection to its end. */
async function carry(
  context: KubectlContext,
  { pod, remote, socket }: { readonly pod: ChosenPod; readonly remote: number; readonly socket: Socket },
): Promise<void> {
  try {
    const path = pathOf(pod.mapping, pod.namespace, pod.name, 'portforward');
    const call = { method: 'GET', path, query: { ports: String(remote) } } as const;
    const stream = await context.api.openSocket(call, [protocol]);
    socket.on('close', () => stream.close());
    void feed(socket, stream);
    let skipped = 0;
    let problem = '';
    for await (const message of stream.messages()) {
      const rest = message.subarray(1);
      // The first message of each of the two channels is the port's number.
      if (skipped < 2) skipped++;
      else if (message[0] === 1) problem += Buffer.from(rest).toString('utf8');
      else if (!socket.write(rest))
        await new Promise((resolve) => socket.once('drain', resolve).once('close', resolve));
    }
    if (problem !== '') context.complain(`error: an error occurred forwarding ${remote}: ${problem}`);
  } catch (error) {
    context.complain(
      `error: an error occurred forwarding ${remote}: ${error instanceof Error ? error.message : String(error)}`,
    );
  } finally {
    socket.end();
  }
}

async function feed(socket: Socket, stream: { send(bytes: Uint8Array): Promise<void> }): Promise<void> {
  try {
    for await (const chunk of socket) await stream.send(Buffer.concat([Uint8Array.of(0), chunk]));
  } catch {
    // The connection broke: its end is told by `close`.
  }
}
