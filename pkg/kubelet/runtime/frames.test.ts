import { describe, expect, test } from 'vitest';
import { SeededRandom } from '#pkg/base/random.ts';
import { encodeFrame, encodeMessage, FrameError, FrameReader } from './frames.ts';
import { encodeOutput, parseFromHost, parseOutput, parseOutputFrame } from './inprocess/host/protocol.ts';

describe('frames', () => {
  const all = Buffer.concat([
    encodeMessage({ a: 1 }),
    encodeFrame('output', Buffer.alloc(0)),
    encodeFrame('output', Buffer.from('xyz')),
  ]);

  test.each([1, 2, 3, 7, 1000])('come out as they went in, in chunks of %s', (size) => {
    const reader = new FrameReader({ payloadBytesMax: 100 });
    const frames: string[] = [];
    for (let at = 0; at < all.length; at += size) {
      for (const { kind, payload } of reader.push(all.subarray(at, at + size))) frames.push(`${kind} ${payload}`);
    }
    expect(frames).toEqual(['json {"a":1}', 'output ', 'output xyz']);
  });

  test('one that is too long is refused at its header, one of no kind too', () => {
    const read = (bytes: Buffer) => [...new FrameReader({ payloadBytesMax: 100 }).push(bytes)];
    expect(() => read(Buffer.from([0, 0, 0, 101, 0]))).toThrow(FrameError);
    expect(() => read(Buffer.from([0, 0, 0, 1, 3]))).toThrow(FrameError);
    expect(read(Buffer.from([0, 0, 0, 100, 0]))).toEqual([]);
  });
});

describe('what comes from the process of programs is believed by its shape alone (fault 53)', () => {
  const parse = (message: unknown) => parseFromHost(Buffer.from(JSON.stringify(message)));

  test.each([
    { type: 'started', id: 3 },
    { type: 'exited', id: 0, exitCode: 255, outOfMemory: false, message: '' },
    { type: 'stats', id: 1, request: 2, memoryBytes: 3, cpuNanoseconds: 4 },
    { type: 'execDone', id: 1, exec: 2, output: { exitCode: 0, stdout: 'a', stderr: '' } },
    { type: 'ending', message: 'why' },
    { type: 'hello', noNewPrivileges: true },
    { type: 'pong', request: 1 },
  ])('$type', (message) => {
    expect(parse(message)).toEqual(message);
    expect(parse({ ...message, __proto__: null, more: 'x' })).toEqual(message);
  });

  test.each([
    null,
    7,
    'started',
    [],
    {},
    { type: 'started' },
    { type: 'started', id: -1 },
    { type: 'started', id: 1.5 },
    { type: 'started', id: '1' },
    { type: 'exited', id: 1, exitCode: 256, outOfMemory: false, message: '' },
    { type: 'exited', id: 1, exitCode: 0, outOfMemory: 'no', message: '' },
    { type: 'exited', id: 1, exitCode: 0, outOfMemory: false, message: 'x'.repeat(20_000) },
    { type: 'stats', id: 1, request: 1, memoryBytes: null, cpuNanoseconds: 1 },
    { type: 'execDone', id: 1, exec: 1, output: { exitCode: 0, stdout: 1 } },
    { type: 'execDone', id: 1, exec: 1 },
    { type: 'ending' },
    { type: 'hello', noNewPrivileges: 1 },
    { type: 'toString', id: 1 },
  ])('nonsense is none of it: %j', (message) => {
    expect(parse(message)).toBe(undefined);
  });

  test('bytes by chance are nonsense and never throw', () => {
    const random = new SeededRandom(5);
    const below = (limit: number): number => Math.floor(random.next() * limit);
    for (let round = 0; round < 2_000; round++) {
      const bytes = Buffer.from(Array.from({ length: below(40) }, () => below(256)));
      expect(parseFromHost(bytes)).toBe(undefined);
      parseOutputFrame(bytes);
    }
  });

  test('output of a command is cut at its limit', () => {
    expect(parseOutput({ exitCode: -1, stdout: 'x'.repeat(600_000) })).toEqual({
      exitCode: 255,
      stdout: 'x'.repeat(512 * 1024),
      stderr: '',
    });
  });

  test('output has a container, a stream and a limit', () => {
    const output = { id: 9, stream: 'stderr', bytes: Buffer.from('text') } as const;
    expect(parseOutputFrame(encodeOutput(output))).toEqual(output);
    expect(parseOutputFrame(Buffer.from([0, 0, 0, 1, 3]))).toBe(undefined);
    expect(parseOutputFrame(Buffer.alloc(100_000, 1))).toBe(undefined);
  });
});
