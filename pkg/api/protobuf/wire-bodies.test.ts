import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import { decodeProtobuf as decode } from './codec.ts';

/** The object in a body. Throws what is wrong with it. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into objects of every shape.
function decodeProtobuf(bytes: Uint8Array): any {
  const decoded = decode(bytes);
  if (!decoded.ok) throw new Error(decoded.error);
  return decoded.object;
}

/** A field that spans bytes. */
function span(number: number, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function int(number: number, value: number): Buffer {
  return Buffer.concat([varint(number << 3), varint(value)]);
}

function varint(value: number): Buffer {
  const bytes = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

function body(apiVersion: string, kind: string, ...raw: Buffer[]): Buffer {
  const type = span(1, Buffer.concat([span(1, apiVersion), span(2, kind)]));
  return Buffer.concat([Buffer.from('k8s\0'), type, span(2, Buffer.concat(raw)), span(3, ''), span(4, '')]);
}

function entry(key: string, value: Buffer | string): Buffer {
  return Buffer.concat([span(1, key), span(2, value)]);
}

const metadata = span(1, Buffer.concat([span(1, 'x'), span(2, ''), span(8, ''), span(11, entry('app', 'web'))]));

test('zeros that JSON leaves out are left out, those that mean something are kept', () => {
  const spec = span(2, Buffer.concat([int(1, 0), span(2, span(1, entry('app', 'web'))), int(5, 0)]));
  expect(decodeProtobuf(body('apps/v1', 'Deployment', metadata, spec))).toEqual({
    kind: 'Deployment',
    apiVersion: 'apps/v1',
    metadata: { name: 'x', labels: { app: 'web' } },
    spec: { replicas: 0, selector: { matchLabels: { app: 'web' } } },
  });
});

test('times, quantities, numbers below zero, bytes and inline members have their JSON form', () => {
  const port = Buffer.concat([int(1, 1), int(2, 0), span(3, 'http')]);
  const probe = Buffer.concat([span(1, span(2, Buffer.concat([span(1, '/'), span(2, port)])))]);
  const requests = span(8, span(2, entry('cpu', span(1, '100m'))));
  const container = span(2, Buffer.concat([span(1, 'c'), requests, span(10, probe)]));
  const volume = span(1, Buffer.concat([span(1, 'v'), span(2, span(2, ''))]));
  const toleration = span(22, Buffer.concat([span(1, 'k'), int(5, -1)]));
  const status = span(3, span(7, Buffer.concat([int(1, 1_767_225_600), int(2, 0)])));
  expect(decodeProtobuf(body('v1', 'Pod', span(2, Buffer.concat([volume, container, toleration])), status))).toEqual({
    kind: 'Pod',
    apiVersion: 'v1',
    spec: {
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [
        {
          name: 'c',
          resources: { requests: { cpu: '100m' } },
          livenessProbe: { httpGet: { path: '/', port: 'http' } },
        },
      ],
      tolerations: [{ key: 'k', tolerationSeconds: -1 }],
    },
    status: { startTime: '2026-01-01T00:00:00Z' },
  });
  expect(decodeProtobuf(body('v1', 'Secret', span(2, entry('a', 'b')))).data).toEqual({ a: 'Yg==' });
});

const broken: readonly [name: string, bytes: Buffer][] = [
  ['no prefix', Buffer.from('{}')],
  ['an unknown kind', body('v1', 'Foo')],
  ['an end too early', body('v1', 'Secret', Buffer.from([0x12, 0x7f]))],
  ['a number for bytes', body('v1', 'Secret', int(2, 1))],
  ['a number without end', body('v1', 'Secret', Buffer.alloc(12, 0xff))],
  ['a time out of range', body('v1', 'Pod', span(3, span(7, int(1, Number.MAX_SAFE_INTEGER))))],
];

test.each(broken)('%s is refused', (_name, bytes) => {
  expect(() => decodeProtobuf(bytes)).toThrow();
});
