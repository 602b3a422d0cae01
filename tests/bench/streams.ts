/**
 * How fast commands begin and how much a forwarded port carries, beside a bare TLS connection over loopback: `node tests/bench/streams.ts`. The cluster, the
 * bare server and this client are processes of their own; the two ways to carry bytes take turns.
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { Agent, WebSocket } from 'undici';
import { SystemClock } from '#pkg/base/clock.ts';
import { SpdyConnection } from '#pkg/serving/spdy/connection.ts';
import { RunningCluster } from '#tests/e2e/running-cluster.ts';

const execs = 200;
const rounds = 5;
const bytesPerRound = 128 * 1024 * 1024;
const pod = '/api/v1/namespaces/default/pods/source';

const source = `import { createServer } from 'node:net';
const block = Buffer.alloc(65536, 'x');
createServer((socket) => {
  socket.on('error', () => {});
  let left = ${bytesPerRound / 65_536};
  const more = () => { while (left-- > 0) if (!socket.write(block)) return socket.once('drain', more); socket.end(); };
  more();
}).listen(8080);
`;

const bare = `import { createServer } from 'node:tls';
import { readFileSync } from 'node:fs';
const [cert, key] = process.argv.slice(1).map((file) => readFileSync(file));
const block = Buffer.alloc(65536, 'x');
const server = createServer({ cert, key }, (socket) => {
  socket.on('error', () => {});
  let left = ${bytesPerRound / 65_536};
  const more = () => { while (left-- > 0) if (!socket.write(block)) return socket.once('drain', more); socket.end(); };
  more();
}).listen(0, '127.0.0.1', () => console.log(server.address().port));
`;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

const cluster = await RunningCluster.start();
try {
  const pki = (name: string): string => join(cluster.dataDir, 'pki', name);
  const [ca, cert, key] = ['ca.crt', 'admin.crt', 'admin.key'].map((name) => readFileSync(pki(name), 'utf8'));
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
  const host = '127.0.0.1';
  const tls = { host, port: cluster.apiPort, ca: ca!, cert: cert!, key: key!, servername: 'localhost' };

  const dispatcher = new Agent({ connect: { ca: ca!, cert: cert!, key: key! } });
  const firstByte = (): Promise<number> => {
    const beganMs = performance.now();
    const query = 'stdout=1&command=echo&command=x';
    const socket = new WebSocket(`wss://${host}:${cluster.apiPort}${pod}/exec?${query}`, {
      protocols: ['v5.channel.k8s.io'],
      dispatcher,
    });
    socket.binaryType = 'arraybuffer';
    return new Promise((resolve, reject) => {
      socket.addEventListener('message', ({ data }) => {
        if ((data as ArrayBuffer).byteLength > 1) resolve(performance.now() - beganMs);
        if ((data as ArrayBuffer).byteLength > 1) socket.close();
      });
      socket.addEventListener('error', (event) => reject(new Error(event.message)));
    });
  };
  await firstByte();
  const times: number[] = [];
  for (let index = 0; index < execs; index++) times.push(await firstByte());
  const sorted = [...times].sort((a, b) => a - b);
  const at = (part: number): string => sorted[Math.floor(part * (sorted.length - 1))]!.toFixed(1);
  console.log(`exec, request to first byte: p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms of ${execs}`);
  await dispatcher.destroy();

  const server = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    bare,
    pki('apiserver.crt'),
    pki('apiserver.key'),
  ]);
  const barePort = await new Promise<number>((resolve) =>
    server.stdout.once('data', (text: Buffer) => resolve(Number(text))),
  );
  const overTls = async (): Promise<number> => {
    const beganMs = performance.now();
    const socket = connect({ ...tls, port: barePort, rejectUnauthorized: false });
    let count = 0;
    for await (const chunk of socket) count += (chunk as Buffer).length;
    return count / 1e3 / (performance.now() - beganMs);
  };
  const forwarded = async (): Promise<number> => {
    const beganMs = performance.now();
    const socket = await upgraded(connect({ ...tls, rejectUnauthorized: false }));
    const connection = new SpdyConnection(socket, { clock: new SystemClock(), role: 'client', tellsWindows: false });
    socket.resume();
    const headers = { port: '8080', requestid: '0' };
    connection.open({ ...headers, streamtype: 'error' }).end();
    const stream = connection.open({ ...headers, streamtype: 'data' });
    let count = 0;
    for await (const chunk of stream.input) count += chunk.length;
    const rate = count / 1e3 / (performance.now() - beganMs);
    await connection.close();
    return rate;
  };
  const rates: { readonly bare: number; readonly forwarded: number }[] = [];
  for (let round = 0; round <= rounds; round++) rates.push({ bare: await overTls(), forwarded: await forwarded() });
  rates.shift();
  const ratio = median(rates.map((one) => one.forwarded / one.bare));
  const [bareRate, rate] = [median(rates.map((one) => one.bare)), median(rates.map((one) => one.forwarded))];
  console.log(
    `port-forward: ${rate.toFixed(0)} MB/s, bare TLS ${bareRate.toFixed(0)} MB/s, ratio ${ratio.toFixed(2)} (median of ${rounds})`,
  );
  server.kill();
} finally {
  await cluster.remove();
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
