/** Bodies of strangers in pieces are read and answered as those that Node's parser reads: both servers are told the same pieces, at the same moments of the answer. */
import { Buffer } from 'node:buffer';
import { expect, onTestFinished, test } from 'vitest';
import type { ApiHandler, ApiResponse, UnreadBody } from '#pkg/apimachinery/http.ts';
import type { StatusError } from '#pkg/apimachinery/status-error.ts';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import { openRaw, type RawClient, serveForTest, type TestServing } from '../test-server.ts';

const seeds = 150;
const limitBytes = 100_000;

/** What one request is like. `reads`: how much of its body its handler reads before it answers; `last`: when its client sends the last piece. */
interface Plan {
  readonly method: 'HEAD' | 'PUT';
  readonly bodyBytes: number;
  readonly pieces: number;
  readonly reads: 'all' | 'none' | 'some';
  readonly last: 'after' | 'before' | 'never';
  readonly answer: 'bytes' | 'empty' | 'stream' | 'unauthorized';
}

function pick<T>(random: Random, list: readonly [T, ...T[]]): T {
  return list[randomInt(random, list.length)] ?? list[0];
}

function planOf(random: Random): Plan {
  const reads = pick(random, ['all', 'some', 'none'] as const);
  const last = reads === 'all' ? 'before' : pick(random, ['after', 'never'] as const);
  return {
    method: pick(random, ['PUT', 'PUT', 'HEAD']),
    // Longer than what one piece of a connection holds, than what is read at most, and than what is thrown away.
    bodyBytes: pick(random, [10, 5_000, 60_000, 150_000, 400_000]),
    pieces: 2 + randomInt(random, 4),
    reads,
    last,
    answer: pick(random, ['bytes', 'bytes', 'empty', 'stream', 'unauthorized']),
  };
}

/** Does with a body what its request's plan says, as soon as it is asked. */
const handler: ApiHandler = async ({ query, body }) => {
  const plan = JSON.parse(decodeURIComponent(query)) as Plan;
  return answerOf(plan, await readAs(plan, body as UnreadBody));
};

async function readAs({ reads }: Plan, body: UnreadBody): Promise<string> {
  if (reads === 'none') return 'nothing';
  if (reads === 'all') {
    try {
      const bytes = await body.read({ limitBytes });
      return `all of ${bytes.length}, ${new Set(bytes).size}`;
    } catch (error) {
      return (error as StatusError).message;
    }
  }
  for await (const chunk of body.chunks()) return chunk.length > 0 ? 'some' : 'an empty piece';
  return 'no piece';
}

function answerOf({ answer }: Plan, text: string): ApiResponse {
  if (answer === 'empty') return { status: 204, headers: {}, body: { kind: 'empty' } };
  const bytes = Buffer.from(`read ${text}.`);
  if (answer === 'stream') {
    const chunks = (async function* () {
      yield bytes;
    })();
    return { status: 200, headers: {}, body: { kind: 'stream', chunks } };
  }
  return { status: answer === 'unauthorized' ? 401 : 200, headers: {}, body: { kind: 'bytes', bytes } };
}

/** All that a server answers to requests of one connection, the last of which may be one whose body nobody reads to its end. */
async function answers(server: TestServing, plans: readonly Plan[]): Promise<string> {
  const client = await openRaw(server.port);
  let seen = 0;
  for (const plan of plans) {
    const { method, bodyBytes, pieces, last } = plan;
    const query = encodeURIComponent(JSON.stringify(plan));
    client.send(`${method} /?${query} HTTP/1.1\r\nhost: a\r\ncontent-length: ${bodyBytes}\r\n\r\n`);
    const body = Buffer.alloc(bodyBytes, 'a');
    const size = Math.ceil(bodyBytes / pieces);
    for (let at = 0; at + size < bodyBytes; at += size) {
      client.send(body.subarray(at, at + size));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const rest = body.subarray((Math.ceil(bodyBytes / size) - 1) * size);
    if (last === 'before') client.send(rest);
    seen = await answered(client, seen, plan);
    if (last !== 'before') {
      if (last === 'after') client.send(rest);
      break;
    }
    if (client.received.includes('Connection: close')) break;
  }
  if (!client.received.includes('Connection: close')) client.socket.destroy();
  return (await client.ended()).replaceAll(/^Date: .*$/gm, 'Date');
}

/** Resolves once one more answer is whole, with how much has come then. */
async function answered(client: RawClient, seen: number, { method, answer }: Plan): Promise<number> {
  const hasBody = method === 'PUT' && answer !== 'empty';
  const end = !hasBody ? '' : answer === 'stream' ? '[^]*\\.\\r\\n' : '[^]*\\.';
  return (await client.until(new RegExp(`^[^]{${seen}}HTTP[^]*?\\r\\n\\r\\n${end}`))).length;
}

test(`${seeds} seeded connections of strangers are answered as by Node's parser`, async () => {
  const random = new SeededRandom(1);
  const directly = await serveForTest(handler);
  const byNode = await serveForTest(handler, { isDirect: false });
  onTestFinished(async () => {
    await directly.close();
    await byNode.close();
  });
  for (let seed = 0; seed < seeds; seed++) {
    const plans = Array.from({ length: 1 + randomInt(random, 3) }, () => planOf(random));
    const [own, nodes] = await Promise.all([answers(directly, plans), answers(byNode, plans)]);
    expect(own, JSON.stringify(plans)).toBe(nodes);
  }
  // None is left, though the last ones may still be about to close.
  while (directly.connectionCount + byNode.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve));
});
