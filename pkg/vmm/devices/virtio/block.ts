/**
 * The disk. Its bytes are elsewhere: requests go to the machine's host, which answers when it likes; any number may be under way, up to the queue's size.
 * Source: VIRTIO 1.1, section 5.2.
 */
import type { DiskRequest } from '../../machine-contract.ts';
import { type Plain, type PlainReader, plainBytes } from '../../plain-state.ts';
import { BROKEN_QUEUE, type Chain, lengthOf, type Piece, type Virtqueue } from './queue.ts';
import type { Backend } from './transport.ts';

const SECTOR = 512;
const HEADER = 16;
const READ = 0;
const WRITE = 1;
const FLUSH = 4;
const OK = 0;
const FAILED = 1;
const UNSUPPORTED = 2;
/** VIRTIO_BLK_F_FLUSH. */
const FEATURES = 1 << 9;
/** Bytes of one request; larger ones fail, as their copies would be the host's memory. */
const REQUEST_MAX = 4 << 20;

interface Pending {
  readonly request: DiskRequest;
  readonly chain: Chain;
}

interface Answer {
  readonly id: number;
  readonly status: number;
  readonly data: Uint8Array;
}

/** A disk of `sectors` sectors of 512 bytes. */
export class VirtioBlock implements Backend {
  readonly kind = 2;
  readonly queues = 1;
  readonly features = FEATURES;
  readonly config = new Uint8Array(64);
  private readonly sectors: number;
  private readonly pending = new Map<number, Pending>();
  private answers: Answer[] = [];
  private requests: DiskRequest[] = [];
  private nextId = 1;

  constructor(sectors: number) {
    this.sectors = sectors;
    new DataView(this.config.buffer).setBigUint64(0, BigInt(sectors), true);
  }

  /** Requests that the host has not taken. */
  get hasRequests(): boolean {
    return this.requests.length > 0;
  }

  takeRequests(): readonly DiskRequest[] {
    const taken = this.requests;
    this.requests = [];
    return taken;
  }

  /** The host's answer; one to a request that is not under way any more is dropped. */
  answer(id: number, given: { readonly ok: boolean; readonly data?: Uint8Array }): void {
    const request = this.pending.get(id)?.request;
    if (request === undefined || this.answers.some((answer) => answer.id === id)) return;
    const data = given.ok && request.kind === 'read' ? (given.data ?? new Uint8Array(0)) : new Uint8Array(0);
    const isWhole = request.kind !== 'read' || data.length === request.length;
    this.answers.push({
      id,
      status: given.ok && isWhole ? OK : FAILED,
      data: isWhole ? data.slice() : new Uint8Array(0),
    });
  }

  process([queue]: readonly Virtqueue[]): boolean {
    if (queue === undefined) return false;
    let isWanted = false;
    for (let answer = this.answers[0]; answer !== undefined; answer = this.answers[0]) {
      const pending = this.pending.get(answer.id);
      if (pending !== undefined && finish(queue, pending.chain, answer)) isWanted = true;
      this.pending.delete(answer.id);
      this.answers.shift();
    }
    for (let chain = queue.next(); chain !== undefined; chain = queue.next()) {
      if (this.begin(queue, chain)) isWanted = true;
    }
    return isWanted;
  }

  reset(): void {
    this.pending.clear();
    this.answers = [];
    this.requests = [];
  }

  save(): { readonly [name: string]: Plain } {
    const answers = this.answers.map(({ id, status, data }) => ({ id, status, data: plainBytes(data) }));
    const pending = [...this.pending.values()].map(({ request, chain }) => ({
      id: request.id,
      kind: request.kind,
      sector: request.sector,
      length: request.length,
      data: plainBytes(request.data ?? new Uint8Array(0)),
      head: chain.head,
      writable: chain.writable.map(({ address, length }) => ({ address, length })),
    }));
    return { nextId: this.nextId, answers, pending };
  }

  /** Requests under way are given to the new host once more, as the old one's answers do not reach here. */
  restore(state: PlainReader): void {
    this.nextId = state.number('nextId');
    this.answers = state
      .parts('answers')
      .map((part) => ({ id: part.number('id'), status: part.number('status'), data: part.bytes('data') }));
    this.pending.clear();
    this.requests = [];
    for (const part of state.parts('pending')) {
      const id = part.number('id');
      const kind = part.text('kind');
      const base = { id, sector: part.number('sector'), length: part.number('length') };
      const request: DiskRequest =
        kind === 'write'
          ? { ...base, kind, data: part.bytes('data') }
          : { ...base, kind: kind === 'read' ? 'read' : 'flush' };
      const writable = part
        .parts('writable')
        .map((piece): Piece => ({ address: piece.number('address'), length: piece.number('length') }));
      this.pending.set(id, { request, chain: { head: part.number('head'), readable: [], writable } });
      if (!this.answers.some((answer) => answer.id === id)) this.requests.push(request);
    }
  }

  /** Takes a chain up; true if it is answered at once and the driver wants to hear of it. */
  private begin(queue: Virtqueue, chain: Chain): boolean {
    const read = lengthOf(chain.readable);
    const written = lengthOf(chain.writable);
    if (read < HEADER || written < 1) throw BROKEN_QUEUE;
    const header = new DataView(queue.gather(chain.readable, HEADER).buffer);
    const type = header.getUint32(0, true);
    const sector = Number(header.getBigUint64(8, true));
    const length = type === READ ? written - 1 : read - HEADER;
    const refusal = this.refusal(type, sector, length);
    if (refusal !== OK) {
      const isWanted = finish(queue, chain, { status: refusal, data: new Uint8Array(0) });
      queue.take();
      return isWanted;
    }
    const id = this.nextId;
    const base = { id, sector, length };
    const request: DiskRequest =
      type === WRITE
        ? { ...base, kind: 'write', data: queue.gather(chain.readable, HEADER + length, HEADER) }
        : { ...base, kind: type === READ ? 'read' : 'flush' };
    queue.take();
    this.nextId++;
    this.pending.set(id, { request, chain });
    this.requests.push(request);
    return false;
  }

  private refusal(type: number, sector: number, length: number): number {
    if (type === FLUSH) return OK;
    if (type !== READ && type !== WRITE) return UNSUPPORTED;
    if (length % SECTOR !== 0 || length > REQUEST_MAX || sector + length / SECTOR > this.sectors) return FAILED;
    return OK;
  }
}

/** The status is the last byte that the driver gave to write. */
function finish(
  queue: Virtqueue,
  chain: Chain,
  answer: { readonly status: number; readonly data: Uint8Array },
): boolean {
  const room = lengthOf(chain.writable) - 1;
  if (answer.data.length < room) {
    // Nothing but the status is written: what the driver finds before it is as it was.
    return queue.finish(chain, Uint8Array.of(answer.status), room);
  }
  const bytes = new Uint8Array(room + 1);
  bytes.set(answer.data.subarray(0, room));
  bytes[room] = answer.status;
  return queue.finish(chain, bytes);
}
