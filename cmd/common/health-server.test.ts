/** The health address of a process, with what no HTTP library sends. */
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
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
  const response = await fetch(`${url}/metrics`);
  const lines = (await response.text()).split('\n').filter((line) => /^[a-z]/.test(line));
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(lines.filter((line) => line.startsWith('kubernetes_healthcheck'))).toEqual([
    'kubernetes_healthcheck{name="good",type="healthz"} 1',
    'kubernetes_healthcheck{name="bad",type="healthz"} 0',
  ]);
  expect(lines.map((line) => line.split(/[ {]/)[0])).toEqual(
    expect.arrayContaining(['kubernetes_build_info', 'process_cpu_seconds_total', 'process_resident_memory_bytes']),
  );
});
