/**
 * How soon commands begin and how much a forwarded port carries, beside a bare TLS connection over loopback. The cluster, the bare server and this client are
 * processes of their own; the two ways to carry bytes take turns.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { Agent, WebSocket } from 'undici';
import { SpdyConnection } from '#pkg/serving/spdy/connection.ts';
import type { Stage } from './bars-stage.ts';
import type { Target } from './kubeconfig.ts';
import { clock } from './load.ts';
import { median, quantile } from './statistics.ts';

const execs = 200;
const rounds = 7;
const bytesPerRound = 128 * 1024 * 1024;
const pod = '/api/v1/namespaces/default/pods/source';

/** Sends `bytesPerRound` to whoever connects. */
const send = `const block = Buffer.alloc(65536, 'x');
const give = (socket) => {
  socket.on('error', () => {});
  let left = ${bytesPerRound / 65_536};
  const more = () => { while (left-- > 0) if (!socket.write(block)) return socket.once('drain', more); socket.end(); };
  more();
};
`;

const source = `import { createServer } from 'node:net';
${send}createServer(give).listen(8080);
`;

const bare = `import { createServer } from 'node:tls';
import { readFileSync } from 'node:fs';
const [cert, key] = process.argv.slice(1).map((file) => readFileSync(file));
${send}const server = createServer({ cert, key }, give).listen(0, '127.0.0.1', () => console.log(server.address().port));
`;

/** Measures by a pod that stays. */
export async function streamBars(stage: Stage): Promise<void> {
  const { cluster, target } = stage;
  const module = join(cluster.dataDir, 'source.mjs');
  writeFileSync(module, source);
  const manifest = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'source' },
    spec: { containers: [{ name: 'main', image: `file://${module}` }] },
  };
  await cluster.kubectl('35', ['apply', '-f', '-'], { input: JSON.stringify(manifest) });
  await cluster.kubectl('35', ['wait', '--for=condition=Ready', 'pod/source', '--timeout=60s']);
  await execBars(stage);
  const server = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    bare,
    join(cluster.dataDir, 'pki', 'apiserver.crt'),
    join(cluster.dataDir, 'pki', 'apiserver.key'),
  ]);
  try {
    await forwardBars(stage, tlsOf(target), await portOf(server));
  } finally {
    server.kill();
  }
}

function portOf(server: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    server.stdout?.once('data', (text: Buffer) => resolve(Number(text)));
    server.once('exit', () => reject(new Error('The bare server has ended')));
  });
}

function tlsOf({ url, ca, cert, key }: Target): ConnectionOptions {
  return {
    host: url.hostname,
    port: Number(url.port),
    rejectUnauthorized: false,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

async function execBars({ target, say }: Stage): Promise<void> {
  const { host: _host, port: _port, ...known } = tlsOf(target);
  const dispatcher = new Agent({ connect: known });
  const url = `wss://${target.url.host}${pod}/exec?stdout=1&command=echo&command=x`;
  await firstByte(url, dispatcher);
  const times: number[] = [];
  for (let index = 0; index < execs; index++) times.push(await firstByte(url, dispatcher));
  await dispatcher.destroy();
  say({ figure: `exec, request to first byte, p50 of ${execs}`, value: median(times), unit: 'ms', most: 30 });
  say({ figure: 'exec, request to first byte, p99', value: quantile(times, 0.99), unit: 'ms' });
}

/** How long a command takes from the request to the first byte of its output, in milliseconds. */
function firstByte(url: string, dispatcher: Agent): Promise<number> {
  const startMs = clock.monotonicMs();
  const socket = new WebSocket(url, { protocols: ['v5.channel.k8s.io'], dispatcher });
  socket.binaryType = 'arraybuffer';
  return new Promise((resolve, reject) => {
    socket.addEventListener('message', ({ data }) => {
      // The first message of each stream is empty.
      if (!(data instanceof ArrayBuffer) || data.byteLength <= 1) return;
      resolve(clock.monotonicMs() - startMs);
      socket.close();
    });
    socket.addEventListener('error', (event) => reject(new Error(event.message)));
  });
}

async function forwardBars({ say }: Stage, tls: ConnectionOptions, barePort: number): Promise<void> {
  const rates: { readonly bare: number; readonly forwarded: number }[] = [];
  for (let round = 0; round <= rounds; round++)
    rates.push({ bare: await rateOf(connect({ ...tls, port: barePort })), forwarded: await forwardedRate(tls) });
  // The first of both compiles.
  rates.shift();
  const all = { bare: rates.map((one) => one.bare), forwarded: rates.map((one) => one.forwarded) };
  say({ figure: 'a bare TLS connection over loopback carries', value: median(all.bare), unit: 'MB/s' });
  say({ figure: 'a forwarded port carries', value: median(all.forwarded), unit: 'MB/s' });
  const ratio = median(rates.map((one) => one.forwarded / one.bare));
  say({ figure: `the same as a share of it, median of ${rounds} pairs`, value: ratio, unit: 'x', least: 2 / 3 });
}

/** How much comes until the end, in MB a second. */
async function rateOf(chunks: AsyncIterable<Uint8Array>, startMs = clock.monotonicMs()): Promise<number> {
  let bytes = 0;
  for await (const chunk of chunks) bytes += chunk.length;
  return bytes / 1e3 / (clock.monotonicMs() - startMs);
}

async function forwardedRate(tls: ConnectionOptions): Promise<number> {
  const startMs = clock.monotonicMs();
  const socket = await upgraded(connect(tls));
  const connection = new SpdyConnection(socket, { clock, role: 'client', tellsWindows: false });
  socket.resume();
  const headers = { port: '8080', requestid: '0' };
  connection.open({ ...headers, streamtype: 'error' }).end();
  const stream = connection.open({ ...headers, streamtype: 'data' });
  const rate = await rateOf(stream.input, startMs);
  await connection.close();
  return rate;
}

/** Asks for SPDY on a connection. */
function upgraded(socket: TLSSocket): Promise<TLSSocket> {
  socket.write(
    `POST ${pod}/portforward HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n`,
  );
  return new Promise((resolve, reject) => {
    let text = '';
    const read = (bytes: Buffer): void => {
      text += bytes.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', read);
      socket.pause();
      if (!text.startsWith('HTTP/1.1 101')) reject(new Error(text));
      if (end + 4 < text.length) socket.unshift(Buffer.from(text.slice(end + 4), 'latin1'));
      resolve(socket);
    };
    socket.on('data', read);
    socket.on('error', reject);
  });
}
