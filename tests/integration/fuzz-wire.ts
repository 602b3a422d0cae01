/**
 * The fuzzer of the wire: odd bytes to every address on which something listens, by clients that have a certificate and clients that have none, some
 * of which leave in the middle. Whatever comes, an answer is none of the server's fault. Whoever calls looks whether the servers live and keep
 * nothing.
 */
import { connect as connectPlain, type Socket } from 'node:net';
import { connect } from 'node:tls';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import { pick } from './fuzz-objects.ts';
import { type Ending, type WireRequest, wireRequest } from './fuzz-wire-requests.ts';
import { requestFrames } from './hostile-frames.ts';

/** Where to send, and as whom. */
export interface WireAddress {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** TLS options of the client; absent for plain connections. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** HTTP/2 is spoken, in odd frames. Only with `tls`. */
  readonly isHttp2?: boolean;
  /** Answers that say how things are rather than that something failed. */
  readonly goodStatuses?: readonly number[];
}

export interface WireResult {
  /** How many answers had each status, by the address's name. */
  readonly statuses: Readonly<Record<string, Record<string, number>>>;
  /** What broke a law, each with its bytes. */
  readonly faults: readonly string[];
}

/** Connections at once. */
const lanes = 24;

/** How long a client that has heard nothing waits: what it sent may be no whole request. On a busy machine answers come late. */
const silenceMs = 200;

/** How long one waits that has heard something. */
const quietMs = 40;

/** Turns of the event loop that one waits besides: where a server is in this process, time may pass in which it has had none. */
const quietTurns = 20;

/** Statuses of 500 and more that are right: what this server does not do, and versions of HTTP that it does not speak. */
const byDesign: ReadonlySet<number> = new Set([501, 505]);

/** Sends so many requests, the same ones for the same seed. */
export async function fuzzWire(addresses: readonly WireAddress[], requests: number, seed: number): Promise<WireResult> {
  const random = new SeededRandom(seed);
  const statuses: Record<string, Record<string, number>> = {};
  const faults: string[] = [];
  let left = requests;
  const lane = async (): Promise<void> => {
    while (left-- > 0 && faults.length < 20) {
      const address = pick(random, addresses);
      const sent: WireRequest =
        address.isHttp2 === true
          ? { bytes: requestFrames(random), ending: pick<Ending>(random, ['waits', 'waits', 'ends', 'destroys']) }
          : wireRequest(random);
      const answer = await exchange(address, sent, random);
      const status = address.isHttp2 === true ? frameStatusOf(answer) : statusOf(answer);
      statuses[address.name] ??= {};
      const counts = statuses[address.name]!;
      counts[status] = (counts[status] ?? 0) + 1;
      const code = Number(status);
      if (code >= 500 && !byDesign.has(code) && address.goodStatuses?.includes(code) !== true) {
        faults.push(
          `${address.name}: ${JSON.stringify(sent.bytes.toString('latin1').slice(0, 300))} -> ${answer.slice(0, 300)}`,
        );
      }
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return { statuses, faults };
}

/** `none` for silence, `other` for what is no HTTP, such as an alert of TLS. */
function statusOf(answer: string): string {
  if (answer === '') return 'none';
  return /^HTTP\/1\.[01] (\d{3})/.exec(answer.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, ''))?.[1] ?? 'other';
}

/** `head` for a head whose status is not one of the table of HPACK, `frames` for frames without a head. Source: RFC 7541, appendix A. */
function frameStatusOf(answer: string): string {
  if (answer === '' || answer.startsWith('HTTP/')) return statusOf(answer);
  const bytes = Buffer.from(answer, 'latin1');
  for (let at = 0; at + 10 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    if (bytes.readUInt8(at + 3) === 1) return tableStatuses.get(bytes.readUInt8(at + 9)) ?? 'head';
  }
  return 'frames';
}

const tableStatuses = new Map([
  [0x88, '200'],
  [0x8c, '400'],
  [0x8d, '404'],
  [0x8e, '500'],
]);

/** Sends bytes and gives what comes back, until the other side has ended or was quiet for long enough. */
function exchange(address: WireAddress, { bytes, ending }: WireRequest, random: Random): Promise<string> {
  const { host, port, tls, isHttp2 } = address;
  // Now and then nobody greets at a port of TLS.
  const isPlain = tls === undefined || randomInt(random, 12) === 0;
  return new Promise((resolve) => {
    const socket: Socket = isPlain
      ? connectPlain({ host, port })
      : connect({
          host,
          port,
          ...tls,
          rejectUnauthorized: false,
          ...(isHttp2 === true ? { ALPNProtocols: ['h2'] } : {}),
        });
    let answer = '';
    let heard = 0;
    let timer: NodeJS.Timeout | undefined;
    const leave = async (): Promise<void> => {
      const before = heard;
      for (let turn = 0; turn < quietTurns && heard === before; turn++)
        await new Promise((turned) => setImmediate(turned));
      if (heard === before) socket.destroy();
    };
    const quiet = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => void leave(), answer === '' ? silenceMs : quietMs);
    };
    socket.on('data', (chunk: Buffer) => {
      heard++;
      if (answer.length < 2_000) answer += chunk.toString('latin1');
      quiet();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(answer);
    });
    socket.once(isPlain ? 'connect' : 'secureConnect', () => {
      socket.write(bytes);
      if (ending === 'destroys') socket.destroy();
      else if (ending === 'ends') socket.end();
      quiet();
    });
  });
}
