/** The health address of a process, with what no HTTP library sends. */
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { HealthChecks } from '#pkg/component/health.ts';
import { serveHealth } from './health-server.ts';

async function serve(checks: Pick<HealthChecks, 'run'> = new HealthChecks()) {
  const server = await serveHealth(checks, 0);
  onTestFinished(() => server.close());
  return server;
}

/** The status of the answer to a request line, `''` when the server hangs up. */
async function statusOf(url: string, line: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port) });
  socket.end(`${line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  const answer = await text(socket).catch(() => '');
  return /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? '';
}

test.each([
  ['GET //', '404'],
  ['GET //[', '404'],
  ['GET http://', '404'],
  ['GET http://[/healthz', '200'],
  ['GET /%', '404'],
  ['GET *', '404'],
  ['OPTIONS *', '404'],
  ['GET /healthz?%', '200'],
  ['HEAD /livez', '200'],
  ['PUT /readyz', '405'],
  ['DELETE /readyz', '405'],
  ['TRACE /readyz', '405'],
  ['CONNECT a:1', ''],
  ['GET /Healthz', '404'],
  ['GET /healthz/', '200'],
  ['POST /metrics', '405'],
])('%s is answered with %s and the process lives (faults 52, 65)', async (line, status) => {
  const { url } = await serve();
  expect(await statusOf(url, line)).toBe(status);
  expect(await statusOf(url, 'GET /healthz')).toBe('200');
});

test('checks that cannot be run fail one request and no more', async () => {
  const { url } = await serve({ run: () => Promise.reject(new Error('bug')) });
  expect(await statusOf(url, 'GET /healthz')).toBe('500');
  expect(await statusOf(url, 'GET /')).toBe('404');
});

test('what the process is and uses can be scraped', async () => {
  const checks = new HealthChecks();
  checks.set('good', () => undefined);
  checks.set('bad', () => 'it is bad');
  const { url } = await serve(checks);
  const scrape = async (path: string) => {
    const answer = await fetch(url + path);
    return { answer, lines: (await answer.text()).split('\n').filter((line) => /^[a-z]/.test(line)) };
  };
  const { answer: response, lines } = await scrape('/metrics');
  const slis = await scrape('/metrics/slis');
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(slis.lines.filter((line) => line.startsWith('kubernetes_healthcheck{'))).toEqual([
    'kubernetes_healthcheck{name="good",type="healthz"} 1',
    'kubernetes_healthcheck{name="bad",type="healthz"} 0',
  ]);
  expect(lines.map((line) => line.split(/[ {]/)[0])).toEqual(
    expect.arrayContaining(['kubernetes_build_info', 'process_cpu_seconds_total', 'process_resident_memory_bytes']),
  );
});

test('checks are asked for by name, left out and counted (fault 21)', async () => {
  const checks = new HealthChecks();
  checks.set('good', () => undefined);
  checks.set('bad/one', () => 'it is bad');
  const { url } = await serve(checks);
  const ask = async (path: string) => {
    const response = await fetch(url + path);
    return [response.status, await response.text()];
  };
  expect(await ask('/livez/good')).toEqual([200, 'ok']);
  expect(await ask('/livez/bad/one')).toEqual([500, '[-]bad/one failed: it is bad\nlivez check failed\n']);
  expect(await ask('/livez/none')).toEqual([404, '404 page not found\n']);
  expect(await ask('/readyz?verbose&exclude=bad/one')).toEqual([200, '[+]good ok\nreadyz check passed\n']);
  const [, slis] = await ask('/metrics/slis');
  expect(slis).toContain('kubernetes_healthchecks_total{name="good",type="livez",status="success"} 1');
  expect(slis).toContain('kubernetes_healthchecks_total{name="bad/one",type="livez",status="error"} 1');
});

test('a component says what it is, and which flags and which configuration it has (fault 21)', async () => {
  const about = {
    name: 'kube-x',
    startedMs: Date.UTC(2026, 0, 1),
    flags: { b: ['1', '2'], a: true },
    config: { x: { a: true } },
  };
  const clock = new VirtualClock(Date.UTC(2026, 0, 1, 1, 2, 3));
  const server = await serveHealth(new HealthChecks(), 0, '127.0.0.1', { about, clock });
  onTestFinished(() => server.close());
  const ask = async (path: string, accept = '*/*') => (await fetch(server.url + path, { headers: { accept } })).text();
  expect(await ask('/statusz')).toMatch(
    /^\nkube-x statusz\nWarning: .*\n\nStarted: Thu, 01 Jan 2026 00:00:00 GMT\nUp: 1 hr 02 min 03 sec\n/,
  );
  expect(await ask('/flagz')).toMatch(/^\nkube-x flagz\nWarning: .*\n\na=true\nb=1,2\n$/);
  expect(JSON.parse(await ask('/flagz', 'application/json;v=v1beta1;g=config.k8s.io;as=Flagz'))).toEqual({
    kind: 'Flagz',
    apiVersion: 'config.k8s.io/v1beta1',
    metadata: { name: 'kube-x' },
    flags: { a: 'true', b: '1,2' },
  });
  expect(await ask('/flagz', 'image/png')).toMatch(/^only the following media types are accepted/);
  expect(JSON.parse(await ask('/configz'))).toEqual({ x: { a: true } });
});
