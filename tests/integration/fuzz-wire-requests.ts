/** Bytes for the fuzzer of the wire: mostly requests that are nearly right, each with something in it that no library sends. */
import { type Random, randomInt } from '#pkg/base/random.ts';
import { pick } from './fuzz-objects.ts';

/** How a client goes on once its bytes are sent. */
export type Ending = 'destroys' | 'ends' | 'waits';

export interface WireRequest {
  readonly bytes: Buffer;
  readonly ending: Ending;
}

const methods =
  'GET GET GET GET GET GET GET GET GET GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT PRI BREW get M-SEARCH G\0T'.split(
    ' ',
  );

const targets = [
  '/',
  '//',
  '//[',
  '//x/../y',
  'http://',
  'http://[',
  'http://x/healthz',
  'https://[::1/version',
  '*',
  'x',
  'x:1',
  '/%',
  '/%00',
  '/%zz/%2e%2e/%2F',
  '/\u0080\u00ff',
  '/..',
  '/../../etc/passwd',
  '/healthz',
  '/healthz/',
  '/HEALTHZ',
  '/livez?verbose&exclude=a&exclude=b',
  '/readyz?verbose',
  '/readyz?format=json',
  '/readyz/ping',
  '/metrics',
  '/metrics?name[]=x',
  '/version',
  '/api',
  '/apis',
  '/openapi/v2',
  '/openapi/v3',
  '/openapi/v3/api/v1?hash=x',
  '/api/v1/namespaces/default/configmaps',
  '/api/v1/namespaces/default/configmaps/a',
  '/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1',
  '/api/v1/namespaces/default/configmaps?limit=-1',
  '/api/v1/namespaces/__proto__/pods',
  '/api/v1/namespaces/default/pods/a/log?follow=true',
  '/api/v1/namespaces/default/pods/a/exec?command=sh&stdin=true',
  '/api/v1/namespaces/default/pods/a/attach',
  '/api/v1/namespaces/default/pods/a/portforward',
  '/api/v1/nodes/x/proxy/healthz',
  '/apis/apps/v1/namespaces/default/deployments/a/scale',
  '/apis/authentication.k8s.io/v1/selfsubjectreviews',
  '/pods',
  '/runningpods/',
  '/containerLogs/default/a/b',
  '/containerLogs/%/%/%',
  '/exec/default/a/b?command=sh',
  '/run/default/a/b',
  '/debug/pprof/',
  '/configz',
  '/stats/summary',
  '/__proto__',
  '/constructor/prototype',
] as const;

const headers = [
  'host: a',
  'Host: a\r\nHost: b',
  'connection: close',
  'connection: keep-alive',
  'connection: upgrade\r\nupgrade: websocket',
  'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: x',
  'connection: Upgrade\r\nupgrade: SPDY/3.1\r\nx-stream-protocol-version: v4.channel.k8s.io',
  'connection: upgrade\r\nupgrade: h2c\r\nhttp2-settings: x',
  'connection: upgrade, close\r\nupgrade: websocket, spdy/3.1',
  'upgrade: websocket',
  'expect: 100-continue',
  'expect: tea',
  'content-length: 0',
  'content-length: 5',
  'content-length: 3145728',
  'content-length: 99999999999999999999',
  'content-length: -1',
  'content-length: 5\r\ncontent-length: 6',
  'transfer-encoding: chunked',
  'transfer-encoding: gzip, chunked',
  'transfer-encoding: identity',
  'content-length: 5\r\ntransfer-encoding: chunked',
  'content-type: application/json',
  'content-type: application/vnd.kubernetes.protobuf',
  'content-type: application/apply-patch+yaml',
  'content-type: ;',
  'accept: application/json;as=Table;v=v1;g=meta.k8s.io',
  'accept: ;;;',
  'accept-encoding: gzip, br',
  'authorization: Bearer x',
  'authorization: Basic eDp5',
  'authorization: Bearer',
  'impersonate-user: x',
  'x-http-method-override: DELETE',
  'range: bytes=0-',
  'if-none-match: *',
  'cookie: a=b',
  'user-agent: \u00ff\u0080',
  'x: y\r\n z',
  'x y: z',
  ': z',
  'x',
  'x: \0',
] as const;

const bodies = [
  '',
  'hello',
  '{}',
  '{"metadata":{"name":"a"}}',
  '{"__proto__":{"polluted":1}}',
  '5\r\nhello\r\n0\r\n\r\n',
  '5\r\nhel',
  'zz\r\n',
  'ffffffffffffffff\r\nx',
  'k8s\0\u000a\u0000',
  'GET / HTTP/1.1\r\nhost: a\r\n\r\n',
] as const;

/** The next bytes, and how their client goes on. */
export function wireRequest(random: Random): WireRequest {
  const ending = pick<Ending>(random, ['waits', 'waits', 'waits', 'ends', 'destroys']);
  const kind = randomInt(random, 20);
  if (kind === 0) return { bytes: noise(random, 1 + randomInt(random, 300)), ending };
  // As a hello of TLS begins, whatever listens.
  if (kind === 1) return { bytes: Buffer.concat([Buffer.from([22, 3, 1, 0, 200, 1]), noise(random, 40)]), ending };
  let bytes = Buffer.from(request(random), 'latin1');
  if (kind === 2) bytes = Buffer.concat([bytes, Buffer.from(request(random), 'latin1')]);
  if (kind === 3) bytes = bytes.subarray(0, randomInt(random, bytes.length + 1));
  if (kind === 4) bytes[randomInt(random, bytes.length)] = randomInt(random, 256);
  return { bytes, ending };
}

function request(random: Random): string {
  const version =
    randomInt(random, 12) === 0 ? pick(random, ['HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/9', 'X', '']) : 'HTTP/1.1';
  const lines = [`${pick(random, methods)} ${target(random)} ${version}`];
  if (randomInt(random, 20) > 0) lines.push('host: x');
  for (let i = Math.max(0, randomInt(random, 6) - 2); i > 0; i--) lines.push(pick(random, headers));
  if (randomInt(random, 30) === 0) lines.push(`x-long: ${'y'.repeat(randomInt(random, 100_000))}`);
  return `${lines.join('\r\n')}\r\n\r\n${randomInt(random, 3) === 0 ? pick(random, bodies) : ''}`;
}

function target(random: Random): string {
  const base = pick(random, targets);
  const kind = randomInt(random, 12);
  if (kind === 0)
    return (
      base +
      noise(random, 8)
        .toString('latin1')
        .replaceAll(/[\r\n ]/g, '%')
    );
  if (kind === 1)
    return `${base}${base.includes('?') ? '&' : '?'}${pick(random, ['%', 'a=%zz', 'timeout=x', 'timeout=1s', 'watch=true', '=&=', 'dryRun=All', 'pretty=1'])}`;
  if (kind === 2) return base.repeat(1 + randomInt(random, 40));
  return base;
}

function noise(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => randomInt(random, 256)));
}
