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
import { ttlOffsets } from './wire.ts';

/** How long one server may take. Source: CoreDNS `forward`, read timeout. */
const timeoutMs = 2_000;
/** Longest time for which an answer is kept, in seconds. Source: kubeadm's Corefile. */
const keepSecondsMax = 30;
/** Bytes of answers and their questions that are kept, the oldest going first: some ten thousand of the usual size. */
const keptBytesMax = 8 * 1024 * 1024;
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

/** What somebody else said. */
export interface Reply {
  /** As it came, with the times to live that are left; its id says nothing. */
  readonly bytes: Buffer;
  readonly answers: readonly Answer[];
  /** Where its times to live stand. */
  readonly ttlOffsets: readonly number[];
}

interface Kept {
  readonly reply: Reply;
  readonly atMs: number;
  readonly untilMs: number;
}

/** Asks others. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #kept = new Map<string, Kept>();
  #keptBytes = 0;
  readonly #open = new Map<string, Promise<Reply | undefined>>();
  readonly #closing = new AbortController();

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /** What somebody else says; undefined where nobody says anything. `message` is the question as it came. */
  async ask(message: Buffer, question: Question): Promise<Reply | undefined> {
    const key = message.toString('latin1', 2);
    const kept = this.#kept.get(key);
    const nowMs = this.#options.clock.nowMs();
    if (kept !== undefined && nowMs < kept.untilMs) return aged(kept, nowMs);
    const open = this.#open.get(key);
    if (open !== undefined) return open;
    if (this.#open.size >= openMax || this.#closing.signal.aborted) return undefined;
    const asking = this.#askAndKeep(key, message, question).finally(() => this.#open.delete(key));
    this.#open.set(key, asking);
    return asking;
  }

  /** Ends what is open; it is answered with a failure. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#open.values());
  }

  async #askAndKeep(key: string, message: Buffer, question: Question): Promise<Reply | undefined> {
    const received = await this.#askAll(message, question);
    if (received === undefined) return undefined;
    const { packet, ...reply } = received;
    const seconds = Math.min(keepSecondsMax, ...ttlsOf(packet));
    if (seconds > 0) this.#keep(key, reply, seconds);
    return reply;
  }

  #keep(key: string, reply: Reply, seconds: number): void {
    const atMs = this.#options.clock.nowMs();
    this.#forget(key);
    this.#kept.set(key, { reply, atMs, untilMs: atMs + seconds * 1000 });
    this.#keptBytes += sizeOf(key, reply);
    for (const oldest of this.#kept.keys()) {
      if (this.#keptBytes <= keptBytesMax) break;
      this.#forget(oldest);
    }
  }

  #forget(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#keptBytes -= sizeOf(key, kept.reply);
  }

  async #askAll(message: Buffer, question: Question): Promise<Received | undefined> {
    for (const server of this.#options.servers.slice(0, serversMax)) {
      // An id of our own, so that nobody who knows the asker's can answer in a server's stead.
      const sent = Buffer.from(message);
      sent.writeUInt16BE(Math.floor(this.#options.random.next() * 65_536), 0);
      const short = await this.#exchange(sent, question, (signal, take) => overUdp(server, { sent, signal, take }));
      const reply =
        short?.packet.flag_tc === true
          ? await this.#exchange(sent, question, (signal, take) => overTcp(server, { sent, signal, take }))
          : short;
      if (this.#closing.signal.aborted) return undefined;
      if (reply !== undefined && ((reply.packet.flags ?? 0) & 0xf) !== serverFailure) return reply;
    }
    return undefined;
  }

  /** Resolves with the first message that is an answer to the question; undefined when the time is over or the server cannot be reached. */
  #exchange(
    sent: Buffer,
    question: Question,
    begin: (signal: AbortSignal, take: (received: Buffer | undefined) => void) => void,
  ): Promise<Received | undefined> {
    const { promise, resolve } = Promise.withResolvers<Received | undefined>();
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
  // Not given to `connect` itself, which would call it after a failure too.
  socket.once('connect', () => {
    if (!signal.aborted) socket.send(sent, (error) => error !== null && take(undefined));
  });
  socket.connect(port, address);
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
    if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
    take(received.subarray(2, 2 + received.readUInt16BE(0)));
    // What else it says was not asked.
    socket.destroy();
  });
  socket.on('error', () => take(undefined));
  socket.on('close', () => take(undefined));
  signal.addEventListener('abort', () => socket.destroy(), { once: true });
}

/** A message that answers a question, as it came and as it was read. */
interface Received extends Reply {
  readonly packet: ReturnType<typeof decode>;
}

/** The message, if it answers the question. */
function replyIn(bytes: Buffer, sent: Buffer, asked: Question): Received | undefined {
  try {
    const packet = decode(bytes);
    const [question] = packet.questions ?? [];
    const isAnswer =
      packet.type === 'response' &&
      packet.id === sent.readUInt16BE(0) &&
      packet.questions?.length === 1 &&
      question?.type === asked.type &&
      question.name.toLowerCase() === asked.name.toLowerCase();
    return isAnswer ? { bytes, packet, answers: packet.answers ?? [], ttlOffsets: ttlOffsets(bytes) } : undefined;
  } catch {
    return undefined;
  }
}

function sizeOf(key: string, { bytes }: Reply): number {
  return key.length + bytes.length;
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
function aged({ reply, atMs }: Kept, nowMs: number): Reply {
  const passed = Math.floor((nowMs - atMs) / 1000);
  const bytes = Buffer.from(reply.bytes);
  for (const at of reply.ttlOffsets) bytes.writeUInt32BE(Math.max(0, bytes.readUInt32BE(at) - passed), at);
  return { ...reply, bytes };
}
