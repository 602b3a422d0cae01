/**
 * Asks the machine's own name servers about names that are not the cluster's, by UDP and, where an answer is too long for that, by TCP. Answers are kept for
 * as long as they may be, at most thirty seconds. The same question asked many times at once goes out once.
 * Upstream counterpart: CoreDNS `forward . /etc/resolv.conf` and `cache 30`.
 */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { type Answer, decode, type Packet, type Question } from 'dns-packet';
import type { Clock } from '#pkg/base/clock.ts';
import type { Random } from '#pkg/base/random.ts';

/** How long one server may take. Source: CoreDNS `forward`, read timeout. */
const timeoutMs = 2_000;
/** Longest time for which an answer is kept, in seconds. Source: kubeadm's Corefile. */
const keepSecondsMax = 30;
/** Answers that are kept, the oldest going first: some megabytes at most. */
const keptMax = 10_000;
/** Questions that are out at once; further ones fail, as CoreDNS' `max_concurrent 1000` has it. */
const openMax = 1_000;
/** Servers that one question is put to. Source: glibc `MAXNS`. */
const serversMax = 3;

/** The code of an answer by which another server is asked. */
const serverFailure = 2;

/** Where a name server is. */
export interface NameServer {
  readonly address: string;
  readonly port: number;
}

/** What a forwarder is made of. */
export interface ForwarderOptions {
  readonly servers: readonly NameServer[];
  readonly clock: Clock;
  readonly random: Random;
}

interface Kept {
  readonly reply: Packet;
  readonly atMs: number;
  readonly untilMs: number;
}

/** Asks others. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #kept = new Map<string, Kept>();
  readonly #open = new Map<string, Promise<Packet | undefined>>();
  readonly #closing = new AbortController();

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /** What somebody else says; undefined where nobody says anything. `message` is the question as it came. */
  async ask(message: Buffer, question: Question): Promise<Packet | undefined> {
    const key = message.toString('latin1', 2);
    const kept = this.#kept.get(key);
    const nowMs = this.#options.clock.nowMs();
    if (kept !== undefined && nowMs < kept.untilMs) return aged(kept, nowMs);
    const open = this.#open.get(key);
    if (open !== undefined) return open;
    if (this.#open.size >= openMax || this.#closing.signal.aborted) return undefined;
    const asking = this.#askAll(message, question).finally(() => this.#open.delete(key));
    this.#open.set(key, asking);
    const reply = await asking;
    if (reply !== undefined) this.#keep(key, reply);
    return reply;
  }

  /** Ends what is open; it is answered with a failure. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#open.values());
  }

  #keep(key: string, reply: Packet): void {
    const seconds = Math.min(keepSecondsMax, ...ttlsOf(reply));
    if (!(seconds > 0)) return;
    const atMs = this.#options.clock.nowMs();
    this.#kept.delete(key);
    this.#kept.set(key, { reply, atMs, untilMs: atMs + seconds * 1000 });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= keptMax) break;
      this.#kept.delete(oldest);
    }
  }

  async #askAll(message: Buffer, question: Question): Promise<Packet | undefined> {
    for (const server of this.#options.servers.slice(0, serversMax)) {
      // An id of our own, so that nobody who knows the asker's can answer in a server's stead.
      const sent = Buffer.from(message);
      sent.writeUInt16BE(Math.floor(this.#options.random.next() * 65_536), 0);
      const short = await this.#exchange(sent, question, (signal, take) => overUdp(server, { sent, signal, take }));
      const reply =
        short?.flag_tc === true
          ? await this.#exchange(sent, question, (signal, take) => overTcp(server, { sent, signal, take }))
          : short;
      if (this.#closing.signal.aborted) return undefined;
      if (reply !== undefined && ((reply.flags ?? 0) & 0xf) !== serverFailure) return reply;
    }
    return undefined;
  }

  /** Resolves with the first message that is an answer to the question; undefined when the time is over or the server cannot be reached. */
  #exchange(
    sent: Buffer,
    question: Question,
    begin: (signal: AbortSignal, take: (received: Buffer | undefined) => void) => void,
  ): Promise<ReturnType<typeof decode> | undefined> {
    const { promise, resolve } = Promise.withResolvers<ReturnType<typeof decode> | undefined>();
    const ended = new AbortController();
    const timer = this.#options.clock.setTimeout(() => resolve(undefined), timeoutMs);
    const onClose = (): void => resolve(undefined);
    this.#closing.signal.addEventListener('abort', onClose, { once: true });
    begin(ended.signal, (received) => {
      const reply = received === undefined ? undefined : replyIn(received, sent, question);
      if (received === undefined || reply !== undefined) resolve(reply);
    });
    return promise.finally(() => {
      timer.cancel();
      ended.abort();
      this.#closing.signal.removeEventListener('abort', onClose);
    });
  }
}

interface Exchange {
  readonly sent: Buffer;
  readonly signal: AbortSignal;
  /** Takes what came; undefined when nothing will come. */
  readonly take: (received: Buffer | undefined) => void;
}

function overUdp({ address, port }: NameServer, { sent, signal, take }: Exchange): void {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('error', () => take(undefined));
  socket.on('message', (received) => take(received));
  // Connected: what others send does not reach it, and a closed port is known at once.
  socket.connect(port, address, () => {
    if (!signal.aborted) socket.send(sent, (error) => error !== null && take(undefined));
  });
  signal.addEventListener('abort', () => socket.close(), { once: true });
}

function overTcp({ address, port }: NameServer, { sent, signal, take }: Exchange): void {
  const socket = connect({ host: address, port });
  let received = Buffer.alloc(0);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(sent.length);
  socket.end(Buffer.concat([length, sent]));
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0))
      take(received.subarray(2, 2 + received.readUInt16BE(0)));
  });
  socket.on('error', () => take(undefined));
  socket.on('close', () => take(undefined));
  signal.addEventListener('abort', () => socket.destroy(), { once: true });
}

/** The message, if it answers the question. */
function replyIn(received: Buffer, sent: Buffer, asked: Question): ReturnType<typeof decode> | undefined {
  try {
    const reply = decode(received);
    const [question] = reply.questions ?? [];
    const isAnswer =
      reply.type === 'response' &&
      reply.id === sent.readUInt16BE(0) &&
      question?.type === asked.type &&
      question.name.toLowerCase() === asked.name.toLowerCase();
    return isAnswer ? reply : undefined;
  } catch {
    return undefined;
  }
}

/** How long each part may be kept: records by what they say, an absence by its SOA record. Source: RFC 2308, 5. */
function ttlsOf(reply: Packet): readonly number[] {
  const answers = ttls(reply.answers);
  if (answers.length > 0) return answers;
  const soa = (reply.authorities ?? []).flatMap((record) =>
    record.type === 'SOA' ? [Math.min(record.ttl ?? 0, record.data.minimum ?? 0)] : [],
  );
  return soa.length > 0 ? soa : [0];
}

function ttls(records: readonly Answer[] | undefined): readonly number[] {
  return (records ?? []).flatMap((record) => ('ttl' in record && record.ttl !== undefined ? [record.ttl] : []));
}

/** With what has passed taken off. */
function aged({ reply, atMs }: Kept, nowMs: number): Packet {
  const passed = Math.floor((nowMs - atMs) / 1000);
  const older = (records: Answer[] | undefined): Answer[] =>
    (records ?? []).map((record) =>
      'ttl' in record && record.ttl !== undefined ? { ...record, ttl: Math.max(0, record.ttl - passed) } : record,
    );
  return { ...reply, answers: older(reply.answers), authorities: older(reply.authorities) };
}
