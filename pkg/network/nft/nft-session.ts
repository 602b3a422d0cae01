/**
 * Gives nftables its transactions, each of which the kernel takes whole or not at all. A small one goes through a process of `nft` that stays, as
 * starting one costs ten times what the kernel needs; a large one has a process of its own. One at a time, in the order in which they were given.
 * Invariant: after `close` has resolved no process is left.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { hostCommand, inNamespace } from '../host/host-command.ts';

/** Characters of a transaction that the process which stays is given: it reads a line at a time. */
const lineMax = 64 * 1024;

/** What the process answers to the question after each transaction, in the stream that also has its complaints. */
const question = 'describe done\n';
const answer = 'symbol expression, datatype invalid (invalid)';

/** The kernel did not take a transaction: nothing of it was done. */
class NftError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NftError';
  }
}

/** The contract of what takes transactions. */
export interface NftTransactions {
  /** Takes commands as one transaction. Rejects with `NftError`, and then nothing of it was done. */
  commit(commands: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** A session in a network namespace, or in that of this process. */
export class NftSession implements NftTransactions {
  readonly #namespace: string | undefined;
  #shell: NftShell | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: { readonly namespace?: string | undefined } = {}) {
    this.#namespace = options.namespace;
  }

  commit(commands: readonly string[]): Promise<void> {
    const done = this.#last.then(() => this.#commit(commands));
    this.#last = done.catch(() => {});
    return done;
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#shell?.close();
    this.#shell = undefined;
  }

  async #commit(commands: readonly string[]): Promise<void> {
    if (commands.length === 0) return;
    const line = commands.join('; ');
    if (line.length > lineMax || line.includes('\n')) {
      try {
        await hostCommand(['nft', '-f', '-'], { namespace: this.#namespace, input: `${commands.join('\n')}\n` });
      } catch (cause) {
        throw new NftError(cause instanceof Error ? cause.message : String(cause), { cause });
      }
      return;
    }
    if (this.#shell?.hasEnded !== false) this.#shell = new NftShell(this.#namespace);
    const complaint = await this.#shell.ask(line);
    if (complaint !== '') throw new NftError(`Cannot change nftables as ${complaint}`);
  }
}

/** One process of `nft -i`. */
class NftShell {
  readonly #child: ChildProcessWithoutNullStreams;
  #text = '';
  #waiter: ((complaint: string) => void) | undefined;
  /** Whether the first question was answered, which is about nothing: what it says before is of its terminal. */
  #hasBegun = false;
  hasEnded = false;

  constructor(namespace: string | undefined) {
    // Complaints and answers in one stream keep their order. Without a home it reads and writes no history of what people have typed.
    const [program = '', ...rest] = inNamespace(['sh', '-c', 'HOME=/dev/null exec nft -i 2>&1'], namespace);
    this.#child = spawn(program, rest);
    this.#child.stdin.on('error', () => {});
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => this.#read(text));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => this.#read(text));
    this.#child.on('error', (error) => this.#end(error.message));
    this.#child.on('close', () => this.#end('nft ended'));
    this.#child.stdin.write(question);
  }

  /** Resolves with what it complains of, `''` for nothing. */
  ask(line: string): Promise<string> {
    return new Promise((resolve) => {
      if (this.hasEnded) {
        resolve('nft ended');
        return;
      }
      this.#waiter = resolve;
      this.#child.stdin.write(`${line}\n${question}`);
    });
  }

  async close(): Promise<void> {
    if (this.hasEnded) return;
    const closed = once(this.#child, 'close');
    this.#child.stdin.end();
    await closed;
  }

  #read(text: string): void {
    this.#text += text;
    for (let end = this.#text.indexOf(answer); end >= 0; end = this.#text.indexOf(answer)) {
      const complaint = this.#text.slice(0, end).trim();
      this.#text = this.#text.slice(end + answer.length);
      if (this.#hasBegun) this.#answer(complaint);
      this.#hasBegun = true;
    }
  }

  #end(reason: string): void {
    this.hasEnded = true;
    this.#answer(this.#text.trim() || reason);
  }

  #answer(complaint: string): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.(complaint.split('\n')[0] ?? '');
  }
}
