/**
 * A plugin in a process of its own, over `@grpc/grpc-js`: it answers as the test tells it, and tells the test what it was asked. A volume that it is to show it shows as a folder
 * with a file in it, or mounts; a device it mounts on a file, and takes that away again. The first argument says where it serves what; `plugin-peer.ts` is the other end.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import grpc from '@grpc/grpc-js';
import { decode, encode, services } from './plugin-messages.ts';
import type { FromPeer, PeerPlan, ToPeer } from './plugin-peer.ts';

const plan: PeerPlan = JSON.parse(process.argv[2] ?? '');
const answers = new Map<string, { readonly response?: object; readonly error?: string; readonly code?: number }>(
  Object.entries(plan.answers).map(([method, response]) => [method, { response }]),
);
for (const [method, error] of Object.entries(plan.refusals ?? {})) answers.set(method, { error });
const streams = new Map<string, Set<grpc.ServerWritableStream<object, object>>>();
const pushed = new Map<string, object>();

const tell = (message: FromPeer): void => void process.send?.(message);

/** What a driver of folders does. */
interface Asked {
  readonly targetPath?: string;
  readonly path?: string;
  readonly use?: { readonly block?: object };
}
const deeds: Readonly<Record<string, (request: Asked) => void>> = {
  NodePublishVolume: ({ targetPath = '', use }) => {
    if (use?.block !== undefined) {
      writeFileSync(targetPath, '');
      if (plan.shows !== undefined) execFileSync('mount', ['--bind', plan.shows, targetPath]);
      return;
    }
    mkdirSync(targetPath, { recursive: true });
    if (plan.shows !== undefined) {
      execFileSync('mount', ['--bind', plan.shows, targetPath]);
      return;
    }
    writeFileSync(join(targetPath, 'data'), 'of the driver');
  },
  NodeUnpublishVolume: ({ path = '' }) => {
    if (plan.shows === undefined) rmSync(path, { recursive: true, force: true });
    else if (existsSync(path)) {
      execFileSync('umount', [path]);
      rmSync(path, { recursive: true });
    }
  },
};

function implementation(service: string): grpc.UntypedServiceImplementation {
  return Object.fromEntries(
    Object.entries(services[service] ?? {}).map(([method, [, , stream]]) => [
      method,
      stream === 'stream'
        ? (call: grpc.ServerWritableStream<object, object>) => {
            tell({ kind: 'call', method, request: call.request });
            const open = streams.get(method) ?? new Set();
            streams.set(method, open.add(call));
            call.on('cancelled', () => open.delete(call));
            const last = pushed.get(method);
            if (last !== undefined) call.write(last);
          }
        : (call: grpc.ServerUnaryCall<object, object>, callback: grpc.sendUnaryData<object>) => {
            tell({ kind: 'call', method, request: call.request });
            const { response = {}, error, code = grpc.status.INTERNAL } = answers.get(method) ?? {};
            if (error !== undefined) return callback({ code, details: error });
            deeds[method]?.(call.request);
            callback(null, response);
          },
    ]),
  );
}

function definition(service: string): grpc.ServiceDefinition {
  return Object.fromEntries(
    Object.entries(services[service] ?? {}).map(([method, [request, response, stream]]) => [
      method,
      {
        path: `/${service}/${method}`,
        requestStream: false,
        responseStream: stream === 'stream',
        requestSerialize: (value: object) => encode(request, value),
        requestDeserialize: (bytes: Buffer) => decode(request, bytes),
        responseSerialize: (value: object) => encode(response, value),
        responseDeserialize: (bytes: Buffer) => decode(response, bytes),
      },
    ]),
  );
}

function ask({ id, socketPath, service, method, request }: Extract<ToPeer, { kind: 'ask' }>): void {
  const Client = grpc.makeGenericClientConstructor(definition(service), service);
  const client = new Client(`unix:${socketPath}`, grpc.credentials.createInsecure());
  client[method]?.(request, (error: grpc.ServiceError | null, response: object) => {
    client.close();
    tell(error === null ? { kind: 'answer', id, response } : { kind: 'answer', id, error: error.details });
  });
}

process.on('message', (message: ToPeer) => {
  switch (message.kind) {
    case 'answer':
      answers.set(message.method, message);
      return;
    case 'ask':
      ask(message);
      return;
    case 'push':
      pushed.set(message.method, message.response);
      for (const stream of streams.get(message.method) ?? []) stream.write(message.response);
      return;
  }
});
process.on('disconnect', () => process.exit(0));

for (const { socketPath, names } of plan.sockets) {
  const server = new grpc.Server();
  for (const name of names) server.addService(definition(name), implementation(name));
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socketPath}`, grpc.ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
}
tell({ kind: 'ready' });
