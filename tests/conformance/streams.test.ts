/** Commands in containers, and the proxies of the API server. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, WebSocket } from 'undici';
import { expect, onTestFinished } from 'vitest';
import { services } from '#pkg/api/types/refs.ts';
import { netexec, onRealCluster, patienceMs, type RealStage } from './real-stage.ts';

const { behaviour } = onRealCluster({ nodes: 2 });
const timeout = patienceMs;
const base = '/api/v1/namespaces/default';

const isReady = (pod: {
  readonly status?: { readonly conditions?: readonly { readonly type?: string; readonly status?: string }[] };
}) => pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;

/** A running pod; resolves with its address. */
async function run(stage: RealStage, name: string, spec: object, labels = {}): Promise<string> {
  await stage.create(spec as never, { name, labels });
  const { status } = await stage.until(name, isReady);
  return status!.podIP!;
}

const client = { containers: [{ name: 'webserver', image: 'coxswain.dev/pause:v1' }] };
const server = (port: number) => ({ containers: [{ name: 'webserver', image: netexec, args: [String(port)] }] });

const granular = (what: string) => `[sig-network] Networking Granular Checks: Pods should function for ${what}`;
const overHttp = (ip: string, port: number) =>
  `curl -g -q -s --max-time 15 --connect-timeout 1 http://${ip}:${port}/hostName`;
const overUdp = (ip: string, port: number) => `echo hostName | nc -w 1 -u ${ip} ${port} | grep -v '^\\s*$'`;

for (const [kind, suffix, isOnHost] of [
  ['intra-pod communication', ' [NodeConformance]', false],
  ['node-pod communication', ' [LinuxOnly] [NodeConformance]', true],
] as const) {
  for (const [protocol, command] of [
    ['http', overHttp],
    ['udp', overUdp],
  ] as const) {
    behaviour(`${granular(`${kind}: ${protocol}`)}${suffix}`, async (stage) => {
      const [from, to] = [stage.name('from'), stage.name('to')];
      const ip = await run(stage, to, server(8083));
      await run(stage, from, isOnHost ? { ...client, hostNetwork: true } : client);
      // A pod without a probe is ready before its program listens.
      const script = `until ${command(ip, 8083)}; do sleep 0.2; done`;
      expect((await stage.exec(from, ['/bin/sh', '-c', script])).trim()).toBe(to);
    });
  }
}

behaviour(
  '[sig-node] Pods should support remote command execution over websockets [NodeConformance]',
  async (stage) => {
    const name = stage.name('exec');
    await run(stage, name, client);
    const pki = join(stage.folder, 'pki');
    const [ca, cert, key] = ['ca.crt', 'admin.crt', 'admin.key'].map((file) => readFileSync(join(pki, file), 'utf8'));
    const dispatcher = new Agent({ connect: { ca: ca!, cert: cert!, key: key! } });
    onTestFinished(() => dispatcher.destroy());
    const query = 'stderr=1&stdout=1&container=webserver&command=echo&command=remote+execution+test';
    const url = `${stage.cluster.server.replace('https', 'wss')}${base}/pods/${name}/exec?${query}`;
    const socket = new WebSocket(url, { protocols: ['channel.k8s.io'], dispatcher });
    socket.binaryType = 'arraybuffer';
    let text = '';
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('error', (event) => reject(new Error(event.message)));
      socket.addEventListener('close', () => resolve());
      socket.addEventListener('message', ({ data }) => {
        const [channel, ...bytes] = Buffer.from(data as ArrayBuffer);
        expect(channel).toBe(1);
        text += Buffer.from(bytes).toString();
      });
    });
    expect(text).toBe('remote execution test\n');
  },
);

/** What a proxy answers. */
async function ask(
  stage: RealStage,
  method: string,
  path: string,
): Promise<{ status: number; text: string; location: string | undefined }> {
  const [pathname = '', query = ''] = path.split('?');
  const { status, headers, body } = await stage.client.transport.request({
    method,
    path: `${base}${pathname}`,
    query,
    headers: {},
    peer: { address: '' },
    signal: new AbortController().signal,
  });
  let text = '';
  if (body.kind === 'stream') for await (const chunk of body.chunks) text += Buffer.from(chunk).toString();
  return { status, text, location: headers.location };
}

const porter = (port: number) => ({
  containers: [
    {
      name: 'porter',
      image: 'coxswain.dev/echo:v1',
      env: [{ name: 'PORT', value: String(port) }],
      ports: [{ name: 'dest1', containerPort: port }],
    },
  ],
});

async function expose(stage: RealStage, name: string, port: number): Promise<void> {
  const ports = [{ name: 'portname1', port: 80, targetPort: port }];
  await stage.of(services).create({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { selector: { app: name }, ports },
  });
  await expect
    .poll(async () => (await ask(stage, 'GET', `/services/${name}:portname1/proxy/`)).status, { timeout })
    .toBe(200);
}

behaviour('[sig-network] Proxy version v1 should proxy through a service and a pod', async (stage) => {
  const name = stage.name('proxied');
  await run(stage, name, porter(1080), { app: name });
  await expose(stage, name, 1080);
  for (const place of [
    `services/http:${name}:portname1`,
    `services/${name}:80`,
    `services/${name}:portname1`,
    `pods/${name}:1080`,
    `pods/http:${name}:1080`,
    `pods/${name}`,
  ]) {
    const { status, text } = await ask(stage, 'GET', `/${place}/proxy/rewriteme`);
    expect([place, status, text.includes('GET /rewriteme')]).toEqual([place, 200, true]);
  }
});

for (const [suffix, path] of [
  ['Proxy', ''],
  ['ProxyWithPath', '/some/path/with/https'],
] as const) {
  behaviour(
    `[sig-network] Proxy version v1 A set of valid responses are returned for both pod and service ${suffix}`,
    async (stage) => {
      const name = stage.name('valid');
      await run(stage, name, porter(1081), { app: name });
      await expose(stage, name, 1081);
      for (const place of [`pods/${name}`, `services/${name}:portname1`]) {
        for (const method of ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT']) {
          const { status, text } = await ask(
            stage,
            method,
            `/${place}/proxy${path === '' ? '/' : path}?method=${method}`,
          );
          expect([place, method, status]).toEqual([place, method, 200]);
          if (method !== 'HEAD') expect(text).toContain(`${method} ${path === '' ? '/' : path}?method=${method}`);
        }
        for (const method of ['GET', 'HEAD']) {
          const { status, location } = await ask(stage, method, `/${place}/proxy?method=${method}`);
          expect([method, status, location]).toEqual([method, 301, `${base}/${place}/proxy/?method=${method}`]);
        }
      }
    },
  );
}
