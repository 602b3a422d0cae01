/**
 * Clients that mean no good, without credentials or with them, in a process of their own, so that what they cost is not taken for what they do to others. Runs as
 * a child of `attack.ts`: opens connections, waits for the word, sends what the attack sends, and says what became of them. Bounded: one run has
 * at most a few thousand connections and ends with its parent.
 */
import { connect, type TLSSocket } from 'node:tls';

/** What the attackers are to do. */
export interface AttackPlan {
  readonly port: number;
  readonly connections: number;
  /** Sent once all are open. */
  readonly first: string;
  /** Sent again every second, for as long as the connection lives. */
  readonly more: string;
  /** PEM of the certificate that they show and its key; absent: they show none. */
  readonly identity?: { readonly cert: string; readonly key: string };
}

/** What became of them. */
export interface AttackReport {
  readonly opened: number;
  /** By the status of the answer, `none` where there was none. */
  readonly answers: Readonly<Record<string, number>>;
  /** Of those that have ended: the time from the last of the first bytes. */
  readonly endedMs: readonly number[];
  readonly open: number;
}

/** Handshakes at once. */
const openingMax = 16;

class Attack {
  readonly #plan: AttackPlan;
  readonly #sockets = new Map<TLSSocket, { received: string; sentMs: number }>();
  readonly #answers: Record<string, number> = {};
  readonly #endedMs: number[] = [];
  #opened = 0;

  constructor(plan: AttackPlan) {
    this.#plan = plan;
  }

  async open(): Promise<void> {
    let left = this.#plan.connections;
    const lane = async (): Promise<void> => {
      while (left-- > 0) await this.#openOne();
    };
    await Promise.all(Array.from({ length: openingMax }, lane));
  }

  #openOne(): Promise<void> {
    return new Promise((resolve) => {
      const { port, identity } = this.#plan;
      const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...identity });
      const one = { received: '', sentMs: 0 };
      socket.once('secureConnect', () => {
        this.#opened++;
        this.#sockets.set(socket, one);
        resolve();
      });
      socket.on('data', (bytes: Buffer) => {
        one.received += bytes.toString('latin1', 0, 64);
      });
      socket.on('error', () => {});
      socket.on('close', () => {
        if (this.#sockets.delete(socket)) this.#ended(one);
        resolve();
      });
    });
  }

  #ended({ received, sentMs }: { received: string; sentMs: number }): void {
    const status = /^HTTP\/1\.1 (\d+)/.exec(received)?.[1] ?? 'none';
    this.#answers[status] = (this.#answers[status] ?? 0) + 1;
    this.#endedMs.push(performance.now() - sentMs);
  }

  send(): void {
    const { first, more } = this.#plan;
    for (const [socket, one] of this.#sockets) {
      socket.write(first);
      one.sentMs = performance.now();
    }
    if (more === '') return;
    setInterval(() => {
      for (const socket of this.#sockets.keys()) socket.write(more);
    }, 1_000).unref();
  }

  report(): AttackReport {
    return { opened: this.#opened, answers: this.#answers, endedMs: this.#endedMs, open: this.#sockets.size };
  }

  end(): void {
    for (const socket of this.#sockets.keys()) socket.destroy();
  }
}

if (process.send !== undefined) {
  let attack: Attack | undefined;
  process.on('message', async (message: { readonly do: string; readonly plan?: AttackPlan }) => {
    if (message.do === 'open') {
      attack = new Attack(message.plan!);
      await attack.open();
    } else if (message.do === 'send') attack?.send();
    else if (message.do === 'end') attack?.end();
    process.send?.(attack?.report());
  });
  process.on('disconnect', () => process.exit());
}
