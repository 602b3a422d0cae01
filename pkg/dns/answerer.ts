/**
 * Turns a DNS message into its answer: names of the cluster from memory, at once; all others by those who know them. Messages that make no sense get an
 * error of DNS, or nothing where they are no question. What was answered is kept as bytes until the zone changes, as most questions are asked again.
 * Upstream counterpart: CoreDNS with the plugins that kubeadm configures (`kubernetes`, `forward`, `cache 30`, `loadbalance`).
 */
import { type Answer, decode, encode, type Packet, type Question } from 'dns-packet';
import { type Random, randomInt } from '#pkg/base/random.ts';
import type { Forwarder } from './forwarder.ts';
import { headerBytes, isPlainName, type QuestionPart, questionPart } from './wire.ts';
import type { ZoneLookup, ZoneRecord } from './zone-lookup.ts';

/** Seconds for which an answer may be kept. Source: kubeadm's Corefile. */
const ttlSeconds = 30;
/** Longest answer over UDP to those who can take more than 512 bytes: what passes every network in one piece. Source: DNS flag day 2020. */
const udpBytesMax = 1_232;
/** Longest one to those who do not say what they take. Source: RFC 1035, 4.2.1. */
const plainUdpBytesMax = 512;
const tcpBytesMax = 65_535;
/** Answers that are kept as bytes, of some hundred bytes each. When it is full all go: asking again costs some 20 µs each. */
const keptMax = 4_096;
/** Longest question whose answer is kept: a name and what EDNS adds is shorter. */
const keptQuestionBytesMax = 320;
/** Longest question that is looked at: nothing that is asked is a tenth of that. */
const questionBytesMax = 4_096;
/** Type, class, time to live and length of a record. */
const recordHeadBytes = 10;
/** To the name behind the header. */
const pointerToQuestion = Buffer.from([0xc0, headerBytes]);

/** Bits of the flags, as the library has them. Source: RFC 1035, 4.1.1. */
const flag = { authoritative: 1 << 10, truncated: 1 << 9, recursionDesired: 1 << 8, recursionAvailable: 1 << 7 };
const rcode = { formatError: 1, serverFailure: 2, nameError: 3, notImplemented: 4, refused: 5 } as const;

/** What questions are answered from. */
export interface AnswererOptions {
  readonly lookup: ZoneLookup;
  /** Whole name of the zone. */
  readonly domain: string;
  readonly random: Random;
  /** Asks others. Absent: names that are not the cluster's are refused. */
  readonly forwarder?: Forwarder;
}

/** How a question came: by UDP answers are short. */
export type DnsProtocol = 'tcp' | 'udp';

/** Answers questions about one zone, and passes on others. */
export class Answerer {
  readonly #options: AnswererOptions;
  readonly #kept = new Map<string, Buffer>();
  #serial = 1;

  constructor(options: AnswererOptions) {
    this.#options = options;
  }

  /** To be called when anything of the zone has changed. */
  changed(): void {
    this.#serial++;
    this.#kept.clear();
  }

  /** The answer; undefined for what is no question and gets none. A promise where others have to be asked. Never rejects. */
  answer(message: Buffer, protocol: DnsProtocol): Buffer | Promise<Buffer> | undefined {
    if (message.length < headerBytes || (message.readUInt8(2) & 0x80) !== 0) return undefined;
    if (message.length > questionBytesMax) return failure(message, rcode.formatError);
    const key = `${protocol}${message.toString('latin1', 2)}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined) return withIdOf(message, kept);
    let query: Packet;
    try {
      query = decode(message);
    } catch {
      return failure(message, rcode.formatError);
    }
    const [question, ...more] = query.questions ?? [];
    if ((message.readUInt8(2) & 0x78) !== 0) return failure(message, rcode.notImplemented);
    const part = questionPart(message);
    if (question === undefined || more.length > 0 || part === undefined) return failure(message, rcode.formatError);
    const bytesMax = protocol === 'tcp' ? tcpBytesMax : sizeOf(query);
    const reply = this.#ofZone(query, question);
    if (reply === 'foreign') return this.#forwarded(message, query, { question, part, bytesMax });
    // No name of the cluster has such labels.
    if (!part.isPlain) return refusal(message, part, rcode.nameError);
    const elsewhere = this.#elsewhere(reply, question);
    if (elsewhere !== undefined) return this.#completed(reply, elsewhere, bytesMax);
    const bytes = encoded(reply, bytesMax);
    // With several records their order changes from answer to answer.
    if ((reply.answers ?? []).length < 2 && message.length <= keptQuestionBytesMax) this.#keep(key, bytes);
    return bytes;
  }

  #keep(key: string, bytes: Buffer): void {
    if (this.#kept.size >= keptMax) this.#kept.clear();
    this.#kept.set(key, bytes);
  }

  #ofZone(query: Packet, question: Question): Packet | 'foreign' {
    const name = question.name.toLowerCase();
    if (question.class !== undefined && question.class !== 'IN') return 'foreign';
    if (question.type === 'AXFR' || question.type === 'IXFR')
      return replyTo(query, { flags: rcode.refused, answers: [] });
    const found =
      question.type === 'SOA' && name === this.#options.domain
        ? { answers: [], additionals: [] }
        : this.#options.lookup.find(name, question.type);
    if (found === 'foreign') return 'foreign';
    if (found === 'unknown')
      return replyTo(query, { flags: flag.authoritative | rcode.nameError, answers: [], authorities: [this.#soa()] });
    const records = found.answers.map((record) => answerOf(record, question.name, name));
    const chain = this.#follow(found.answers, question.type);
    const isSoa = question.type === 'SOA' && name === this.#options.domain;
    const answers = [...turned(records, this.#options.random), ...chain, ...(isSoa ? [this.#soa()] : [])];
    return replyTo(query, {
      flags: flag.authoritative,
      answers,
      ...(answers.length === 0 ? { authorities: [this.#soa()] } : {}),
      additionals: found.additionals.map((record) => answerOf(record)),
    });
  }

  /** What another name of the cluster has, where an answer leads there.  */
  #follow(answers: readonly ZoneRecord[], type: string): readonly Answer[] {
    const [first] = answers;
    if (first?.type !== 'CNAME' || type === 'CNAME') return [];
    const found = this.#options.lookup.find(first.data.toLowerCase(), type);
    return typeof found === 'string' ? [] : found.answers.map((record) => answerOf(record));
  }

  /** The question about a name of elsewhere that an answer ends with. */
  #elsewhere({ answers = [] }: Packet, { type }: Question): Question | undefined {
    const last = answers.at(-1);
    if (last?.type !== 'CNAME' || (type !== 'A' && type !== 'AAAA') || this.#options.forwarder === undefined)
      return undefined;
    return this.#options.lookup.find(last.data.toLowerCase(), type) === 'foreign'
      ? { type, name: last.data, class: 'IN' }
      : undefined;
  }

  /** With what others say of that name; without it where they say nothing. */
  async #completed(reply: Packet, question: Question, bytesMax: number): Promise<Buffer> {
    const asked = encode({ type: 'query', id: 0, flags: flag.recursionDesired, questions: [question] });
    const found = await this.#options.forwarder?.ask(asked, question);
    const added = (found?.answers ?? []).filter(isAddressOrAlias);
    return encoded({ ...reply, answers: [...(reply.answers ?? []), ...added] }, bytesMax);
  }

  #soa(): Answer {
    const { domain, lookup } = this.#options;
    const data = {
      mname: lookup.nameServer,
      rname: `hostmaster.${domain}`,
      serial: this.#serial,
      refresh: 7_200,
      retry: 1_800,
      expire: 86_400,
      minimum: ttlSeconds,
    };
    return { type: 'SOA', name: domain, ttl: ttlSeconds, data };
  }

  async #forwarded(message: Buffer, query: Packet, { question, part, bytesMax }: Forwarding): Promise<Buffer> {
    const { forwarder } = this.#options;
    if (forwarder === undefined) return refusal(message, part, rcode.refused);
    const reply = await forwarder.ask(message, question);
    if (reply === undefined) return refusal(message, part, rcode.serverFailure);
    return reply.bytes.length > bytesMax ? cutOff(message, reply.bytes, query) : withIdOf(message, reply.bytes);
  }
}

interface Forwarding {
  readonly question: Question;
  readonly part: QuestionPart;
  readonly bytesMax: number;
}

/** What an answer that leads elsewhere goes on with, as far as it can be written. */
function isAddressOrAlias(record: Answer): boolean {
  if (record.type !== 'A' && record.type !== 'AAAA' && record.type !== 'CNAME') return false;
  return isPlainName(record.name) && (record.type !== 'CNAME' || isPlainName(record.data));
}

interface ReplyParts {
  readonly flags: number;
  readonly answers: Answer[];
  readonly authorities?: Answer[];
  readonly additionals?: Answer[];
}

function replyTo(query: Packet, { flags, answers, authorities = [], additionals = [] }: ReplyParts): Packet {
  const opt = (query.additionals ?? []).some(({ type }) => type === 'OPT');
  const own: Answer[] = opt
    ? [
        {
          type: 'OPT',
          name: '.',
          udpPayloadSize: udpBytesMax,
          extendedRcode: 0,
          ednsVersion: 0,
          flags: 0,
          flag_do: false,
          options: [],
        },
      ]
    : [];
  return {
    type: 'response',
    id: query.id ?? 0,
    flags: flags | ((query.flags ?? 0) & flag.recursionDesired) | flag.recursionAvailable,
    questions: query.questions ?? [],
    answers,
    authorities,
    additionals: [...additionals, ...own],
  };
}

/** In as many bytes as the asker takes: without what is only helpful, and, if that is still too much, without records and marked so. */
function encoded(packet: Packet, bytesMax: number): Buffer {
  const whole = shortened(encode(packet));
  if (whole.length <= bytesMax) return whole;
  const options = (packet.additionals ?? []).filter(({ type }) => type === 'OPT');
  const short = shortened(encode({ ...packet, additionals: options }));
  if (short.length <= bytesMax) return short;
  const flags = (packet.flags ?? 0) | flag.truncated;
  return encode({ ...packet, flags, answers: [], authorities: [], additionals: options });
}

/**
 * The same message with each record's name, where it is the one that was asked for, as a pointer to that: the library writes all names whole, and a
 * dozen addresses would not fit into a datagram. Source: RFC 1035, 4.1.4.
 */
function shortened(whole: Buffer): Buffer {
  const nameEnd = endOfName(whole, headerBytes);
  const asked = whole.subarray(headerBytes, nameEnd);
  const questionEnd = nameEnd + 4;
  const pieces = [whole.subarray(0, questionEnd)];
  for (let at = questionEnd; at < whole.length; ) {
    const end = endOfName(whole, at);
    const recordEnd = end + recordHeadBytes + whole.readUInt16BE(end + recordHeadBytes - 2);
    const isAsked = whole.subarray(at, end).equals(asked);
    pieces.push(isAsked ? pointerToQuestion : whole.subarray(at, end), whole.subarray(end, recordEnd));
    at = recordEnd;
  }
  return Buffer.concat(pieces);
}

/** Where a name that is written whole ends. */
function endOfName(message: Buffer, start: number): number {
  let at = start;
  while (message.readUInt8(at) !== 0) at += message.readUInt8(at) + 1;
  return at + 1;
}

/** A record as the library wants it; those of the name that was asked for have it in the asker's letters. */
function answerOf(record: ZoneRecord, asked?: string, askedLower?: string): Answer {
  const name = asked !== undefined && record.name === askedLower ? asked : record.name;
  const base = { name, ttl: ttlSeconds, class: 'IN' as const };
  if (record.type === 'SRV') return { ...base, type: 'SRV', data: record.data };
  if (record.type === 'TXT') return { ...base, type: 'TXT', data: record.data };
  return { ...base, type: record.type, data: record.data };
}

/** Begins anywhere, so that askers who take the first spread over all of them. */
function turned<T>(records: readonly T[], random: Random): readonly T[] {
  if (records.length < 2) return records;
  const first = randomInt(random, records.length);
  return [...records.slice(first), ...records.slice(0, first)];
}

function sizeOf(query: Packet): number {
  for (const record of query.additionals ?? [])
    if (record.type === 'OPT') return Math.min(udpBytesMax, Math.max(plainUdpBytesMax, record.udpPayloadSize));
  return plainUdpBytesMax;
}

/** The question as it came, answered with an error. */
function refusal(message: Buffer, { end }: QuestionPart, code: number): Buffer {
  const bytes = Buffer.concat([failure(message, code), message.subarray(headerBytes, end)]);
  bytes.writeUInt8(code | (flag.recursionAvailable & 0xff), 3);
  bytes.writeUInt16BE(1, 4);
  return bytes;
}

/** The head and the question of what others said, marked as cut off. */
function cutOff(message: Buffer, reply: Buffer, query: Packet): Buffer {
  const end = questionPart(reply)?.end ?? headerBytes;
  const hasOptions = (query.additionals ?? []).some(({ type }) => type === 'OPT');
  const bytes = Buffer.concat([reply.subarray(0, end), hasOptions ? emptyOptions : Buffer.alloc(0)]);
  bytes.writeUInt8(bytes.readUInt8(2) | (flag.truncated >> 8), 2);
  bytes.writeUInt16BE(end === headerBytes ? 0 : 1, 4);
  bytes.writeUInt32BE(0, 6);
  bytes.writeUInt16BE(hasOptions ? 1 : 0, 10);
  return withIdOf(message, bytes);
}

/** A record of EDNS that says how long a datagram may be. Source: RFC 6891, 6.1.2. */
const emptyOptions = Buffer.from([0, 0, 41, udpBytesMax >> 8, udpBytesMax & 0xff, 0, 0, 0, 0, 0, 0]);

/** The head of the question alone, as an error. */
function failure(message: Buffer, code: number): Buffer {
  const head = Buffer.alloc(headerBytes);
  message.copy(head, 0, 0, 2);
  head.writeUInt8(0x80 | (message.readUInt8(2) & 0x79), 2);
  head.writeUInt8(code, 3);
  return head;
}

function withIdOf(message: Buffer, kept: Buffer): Buffer {
  const copy = Buffer.from(kept);
  message.copy(copy, 0, 0, 2);
  return copy;
}
