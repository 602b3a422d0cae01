/** A program in a network namespace, as a test sees it: it serves, and asks others. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** What to do. */
export interface AgentOrder {
  readonly id: number;
  readonly what: 'ask' | 'serve';
  readonly protocol: 'TCP' | 'UDP';
  readonly host: string;
  readonly port: number;
  readonly text?: string;
  /** When to stop waiting for an answer. */
  readonly waitMs?: number;
}

/** What came of it. */
export interface AgentAnswer {
  readonly id: number;
  readonly text: string;
}

/** For an answer that is to come: a limit against hanging. */
const answerMs = 60_000;

/** For one that is not to come, which no time of waiting makes come. */
const silenceMs = 400;

/** The program. */
export class Peer {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (text: string) => void>();
  #lastId = 0;

  /** Starts it in the namespace of that path, or in this process's own. */
  constructor(namespace?: string) {
    const node = [process.execPath, join(import.meta.dirname, 'agent.ts')];
    const [program = '', ...args] = namespace === undefined ? node : ['nsenter', `--net=${namespace}`, '--', ...node];
    this.#child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', ({ id, text }: AgentAnswer) => {
      this.#waiting.get(id)?.(text);
      this.#waiting.delete(id);
    });
  }

  /** Answers who connects with the text and the address that it comes from. */
  async serve(host: string, port: number, text: string, protocol: AgentOrder['protocol'] = 'TCP'): Promise<void> {
    await this.#order({ what: 'serve', protocol, host, port, text });
  }

  /** What it is answered, or the code of the error. */
  ask(host: string, port: number, protocol: AgentOrder['protocol'] = 'TCP'): Promise<string> {
    return this.#order({ what: 'ask', protocol, host, port, waitMs: answerMs });
  }

  /** As `ask`, where silence is what is expected. */
  askInVain(host: string, port: number, protocol: AgentOrder['protocol'] = 'TCP'): Promise<string> {
    return this.#order({ what: 'ask', protocol, host, port, waitMs: silenceMs });
  }

  async end(): Promise<void> {
    const closed = once(this.#child, 'exit');
    this.#child.disconnect();
    await closed;
  }

  #order(order: Omit<AgentOrder, 'id'>): Promise<string> {
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ id, ...order });
    });
  }
}
