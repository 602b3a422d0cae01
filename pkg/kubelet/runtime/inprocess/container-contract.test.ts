/** What an ordinary program finds in a container of the in-process runtime: the pod's address, the container's paths, its environment (fault 33). */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { makeContainerConfig, makeSandboxConfig } from '../../testing/configs.ts';
import type { ContainerConfig } from '../container-config.ts';
import type { Runtime } from '../runtime.ts';
import { createInProcessRuntime } from './inprocess-runtime.ts';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'coxswain-contract-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

let serial = 0;
/** Addresses of pods, and a port that all of them want. */
const podIp = (place: number): string => `127.201.${(process.pid % 200) + 1}.${place}`;
const port = 22_000 + (process.pid % 2000);

function makeRuntime(): Runtime {
  const dataDir = join(directory, `node-${serial++}`);
  const runtime = createInProcessRuntime({ clock: new SystemClock(), random: new SystemRandom(), dataDir });
  onTestFinished(() => runtime.close());
  return runtime;
}

interface Pod {
  readonly id: string;
  /** Resolves with a line that the program writes, once it has. */
  line(): Promise<string>;
  /** All that it writes, once it has ended. */
  all(): Promise<readonly string[]>;
}

async function start(
  runtime: Runtime,
  { source, extension = 'mjs', ...config }: Partial<ContainerConfig> & { source?: string; extension?: string },
): Promise<Pod> {
  const path = join(directory, `program-${serial++}.${extension}`);
  if (source !== undefined) await writeFile(path, source);
  const sandbox = await runtime.sandboxes.run(makeSandboxConfig({ podName: 'p', hostname: 'host-of-p' }));
  const image = pathToFileURL(path).href;
  const id = await runtime.containers.create(sandbox.id, makeContainerConfig({ image, ...config }));
  await runtime.containers.start(id);
  const lines = runtime.inspection.logs(id, { follow: true })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => (await lines.next()).value?.text ?? '';
  const all = async (): Promise<readonly string[]> => {
    const texts: string[] = [];
    for (let next = await lines.next(); next.done !== true; next = await lines.next()) texts.push(next.value.text);
    return texts;
  };
  return { id, line, all };
}

async function fetchText(host: string, at: number): Promise<string> {
  const response = await fetch(`http://${host}:${at}/`);
  return response.text();
}

const refused = (host: string, at: number): Promise<string> =>
  new Promise((resolve) => {
    const socket = connect({ host, port: at });
    socket.on('connect', () => {
      socket.destroy();
      resolve('connected');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });

test.each([
  ['a port alone', `listen(${port})`],
  ['a port and a callback', `listen(${port}, () => {})`],
  ['every address', `listen(${port}, '0.0.0.0')`],
  ['every address of both families', `listen({ port: ${port}, host: '::' })`],
  ['options', `listen({ port: ${port} })`],
  ['a port in a text, and a backlog', `listen('${port}', undefined, 10)`],
  ['localhost', `listen(${port}, 'localhost')`],
  ['the loopback address', `listen({ port: ${port}, host: '127.0.0.1' })`],
])('servers of two pods that listen at %s are each at their pod (fault 33)', async (_, listen) => {
  const runtime = makeRuntime();
  const source = `
    import http from 'node:http';
    const server = http.createServer((_, response) => response.end(process.env.COXSWAIN_POD_IP));
    server.${listen};
    server.on('listening', () => console.log(server.address().address));
    server.on('error', (error) => console.log(error.code));`;
  for (const place of [1, 2]) {
    const pod = await start(runtime, { source, addresses: [podIp(place)] });
    expect(await pod.line()).toBe(podIp(place));
  }
  expect(await Promise.all([1, 2].map((place) => fetchText(podIp(place), port)))).toEqual([podIp(1), podIp(2)]);
  expect(await refused('127.0.0.1', port)).toBe('ECONNREFUSED');
});

test('a server of a CommonJS program that listens on any port is at its pod (fault 33)', async () => {
  const source = `
    const { createServer } = require('net');
    const server = createServer().listen(() => console.log(server.address().address));`;
  const pod = await start(makeRuntime(), { source, extension: 'cjs', addresses: [podIp(1)] });
  expect(await pod.line()).toBe(podIp(1));
});

test.each(['localhost', '127.0.0.1', '::1'])(
  'a container finds another of its pod at %s, and then what the machine has (fault 33)',
  async (host) => {
    const machine = createServer((socket) => socket.end('HTTP/1.0 200 OK\r\n\r\nmachine'));
    machine.listen(0, '127.0.0.1');
    await once(machine, 'listening');
    onTestFinished(() => void machine.close());
    const machinePort = (machine.address() as { port: number }).port;
    const runtime = makeRuntime();
    const server = `
    import http from 'node:http';
    http.createServer((_, response) => response.end('pod')).listen(${port}, () => console.log('ready'));`;
    expect(await (await start(runtime, { source: server, addresses: [podIp(3)] })).line()).toBe('ready');
    const urlHost = host.includes(':') ? `[${host}]` : host;
    const client = `
    import http from 'node:http';
    import net from 'node:net';
    const get = (options) => new Promise((resolve) => http.get(options, async (answer) => resolve((await answer.toArray()).join(''))).on('error', (error) => resolve(error.code)));
    const raw = new Promise((resolve) => net.connect(${port}, '${host}', function () { resolve('connected'); this.destroy(); }).on('error', (error) => resolve(error.code)));
    console.log(JSON.stringify([
      await get({ host: '${host}', port: ${port} }),
      await (await fetch('http://${urlHost}:${port}/')).text(),
      await raw,
      await get({ host: '${host}', port: ${machinePort} }),
      await get({ host: '${host}', port: 9 }),
    ]));`;
    const pod = await start(runtime, { source: client, addresses: [podIp(3)] });
    expect(JSON.parse((await pod.all()).join(''))).toEqual(['pod', 'pod', 'connected', 'machine', 'ECONNREFUSED']);
  },
);

test('datagram sockets are bound to the pod, and reached by the name of the machine itself (fault 33)', async () => {
  const runtime = makeRuntime();
  const source = `
    import dgram from 'node:dgram';
    const socket = dgram.createSocket('udp4', (message) => console.log(String(message)));
    socket.bind(${port}, () => {
      console.log(socket.address().address);
      dgram.createSocket('udp4').send('to myself', ${port}, 'localhost');
    });`;
  for (const place of [1, 2]) {
    const pod = await start(runtime, { source, addresses: [podIp(place)] });
    expect([await pod.line(), await pod.line()]).toEqual([podIp(place), 'to myself']);
  }
  const client = createSocket('udp4');
  onTestFinished(() => void client.close());
});

test('mounts are under their paths, whatever function reads them (fault 33)', async () => {
  const volume = await mkdtemp(join(directory, 'volume-'));
  await writeFile(join(volume, 'key'), 'from the volume');
  await mkdir(join(volume, 'folder'));
  const single = join(directory, 'single.txt');
  await writeFile(single, 'one file');
  const source = `
    import fs, { readFileSync } from 'node:fs';
    import { readFile, readdir, rename, writeFile } from 'node:fs/promises';
    import { execFileSync, spawnSync } from 'node:child_process';
    const read = [];
    read.push(readFileSync('/etc/app/key', 'utf8'), await readFile('/etc/app/key', 'utf8'));
    read.push(await new Promise((resolve) => fs.readFile(new URL('file:///etc/app/key'), 'utf8', (_, text) => resolve(text))));
    read.push((await fs.createReadStream('/etc/app/key').toArray()).join(''));
    read.push(readFileSync('/etc/app/../app/key', 'utf8'), readFileSync(Buffer.from('/etc/app/key'), 'utf8'));
    read.push(String(readFileSync(fs.openSync('/etc/app/key'))));
    read.push(readFileSync('/etc/other/config.txt', 'utf8'));
    await writeFile('/etc/app/folder/a', 'x');
    await rename('/etc/app/folder/a', '/etc/app/folder/b');
    fs.symlinkSync('b', '/etc/app/folder/c');
    fs.createWriteStream('/etc/app/folder/stream').end('y');
    read.push(fs.existsSync('/etc/app/nothing'), fs.statSync('/etc/app').isDirectory(), fs.existsSync('/etc/apple'));
    read.push((await readdir('/etc/app/folder')).filter((name) => name !== 'stream').join());
    read.push(fs.realpathSync.native('/etc/app/key') === fs.realpathSync('/etc/app/key'));
    read.push(execFileSync('cat', ['key'], { cwd: '/etc/app' }).toString());
    read.push(fs.existsSync('/proc/self/status'));
    fs.writeFileSync('/dev/termination-log', 'last words');
    console.log(JSON.stringify(read));`;
  const mounts = [
    { containerPath: '/etc/app', hostPath: volume, readOnly: false },
    { containerPath: '/etc/other/config.txt', hostPath: single, readOnly: true },
  ];
  const runtime = makeRuntime();
  const pod = await start(runtime, { source, mounts, addresses: [podIp(1)] });
  const text = 'from the volume';
  expect(JSON.parse((await pod.all()).join('\n'))).toEqual([
    ...Array.from({ length: 7 }, () => text),
    'one file',
    ...[false, true, false, 'b,c', true, text, true],
  ]);
  expect(await readFile(join(volume, 'folder/b'), 'utf8')).toBe('x');
  expect(await readFile(join(volume, 'folder/stream'), 'utf8')).toBe('y');
  expect((await runtime.containers.status(pod.id))?.message).toBe('last words');
});

test('the working directory, HOME, PATH and the name of the host are as the pod says (fault 33)', async () => {
  const volume = await mkdtemp(join(directory, 'volume-'));
  await writeFile(join(volume, 'data'), 'here');
  const source = `
    import { readFileSync, writeFileSync, readdirSync } from 'node:fs';
    import { homedir, hostname } from 'node:os';
    import { resolve } from 'node:path';
    import { execSync } from 'node:child_process';
    writeFileSync('made', '');
    console.log(JSON.stringify([process.cwd(), resolve('x'), readdirSync('.').sort(), homedir(), hostname(), process.env.PATH, execSync('ls').toString()]));
    process.chdir('..');
    console.log(process.cwd());`;
  const runtime = makeRuntime();
  const run = async (config: Partial<ContainerConfig>): Promise<readonly unknown[]> => {
    const lines = await (await start(runtime, { source, addresses: [podIp(1)], ...config })).all();
    return [...JSON.parse(lines[0]!), ...lines.slice(1)];
  };
  const env = { HOME: '/home/app', PATH: '/opt/app/bin:/usr/bin:/bin' };
  const mounts = [{ containerPath: '/work', hostPath: volume, readOnly: false }];
  expect(await run({ mounts, env, workingDir: '/work' })).toEqual([
    '/work',
    '/work/x',
    ['data', 'made'],
    '/home/app',
    'host-of-p',
    env.PATH,
    'data\nmade\n',
    '/',
  ]);
  expect(await run({ env, workingDir: '/no/such/folder' })).toEqual([
    '/no/such/folder',
    '/no/such/folder/x',
    ['made'],
    '/home/app',
    'host-of-p',
    env.PATH,
    'made\n',
    '/no/such',
  ]);
  const plain = await run({});
  expect([plain[0], plain[5]]).toEqual([directory, '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin']);
  expect(plain[3]).toContain(directory);
});

test('the file server has a first page where nobody gave it files, and no other (fault 38)', async () => {
  const runtime = makeRuntime();
  const statusOf = async (ip: string, path: string) => (await fetch(`http://${ip}:8080${path}`)).status;
  const bare = await start(runtime, { image: 'coxswain.dev/static', addresses: [podIp(4)] });
  expect(await bare.line()).toBe(`listening on ${podIp(4)}:8080`);
  expect([await statusOf(podIp(4), '/'), await statusOf(podIp(4), '/index.html')]).toEqual([200, 200]);
  expect(await statusOf(podIp(4), '/other')).toBe(404);
  const volume = await mkdtemp(join(directory, 'volume-'));
  const mounts = [{ containerPath: '/usr/share/static', hostPath: volume, readOnly: true }];
  const mounted = await start(runtime, { image: 'coxswain.dev/static', addresses: [podIp(5)], mounts });
  await mounted.line();
  expect(await statusOf(podIp(5), '/')).toBe(404);
  await writeFile(join(volume, 'index.html'), 'mine');
  expect(await fetchText(podIp(5), 8080)).toBe('mine');
});

test.each([
  [
    'load',
    { URL: 'http://$(GUESTBOOK_SERVICE_HOST):80/' },
    2,
    'Cannot ask http://$(GUESTBOOK_SERVICE_HOST):80/ as it is not an http URL',
  ],
  ['load', { URL: 'https://127.0.0.1/' }, 2, 'Cannot ask https://127.0.0.1/ as it is not an http URL'],
  [
    'load',
    { URL: 'http://127.0.0.1/', RATE: 'fast' },
    2,
    'Cannot work with RATE and REQUESTS that are not positive numbers',
  ],
  ['load', { URL: 'http://127.0.0.1:9/', REQUESTS: '1' }, 1, '0 succeeded, 1 failed, mean 0.0 ms'],
  ['static', { PORT: 'http' }, 1, 'static: Cannot use PORT=http as it is not a port number'],
])('%s with %j says in one line why it cannot work (fault 38)', async (name, env, exitCode, line) => {
  const runtime = makeRuntime();
  const pod = await start(runtime, { image: `coxswain.dev/${name}`, addresses: [podIp(6)], env });
  expect(await pod.all()).toEqual([line]);
  expect((await runtime.containers.status(pod.id))?.exitCode).toBe(exitCode);
});
