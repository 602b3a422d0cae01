/** A connection to a port of a pod over a session of streams: one for its bytes, one for what goes wrong. Source: kubelet `cri/streaming/portforward`. */
import { readFile } from 'node:fs/promises';
import { Duplex } from 'node:stream';
import type { SpdyConnection } from '#pkg/serving/spdy/connection.ts';
import type { SpdyStream } from '#pkg/serving/spdy/stream.ts';
import { RuntimeError } from '../runtime.ts';

/** Which port. */
export interface ForwardedPortOptions {
  readonly port: number;
  /** A process in the pod's network, where it is known: whether somebody listens is looked up there, as the runtime says so to nobody who waits for it. */
  readonly pid: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Connects. Rejects with `failed` where nobody listens; `signal` ends the connection later, too. */
export async function forwardedPort(
  session: SpdyConnection,
  { port, pid, signal }: ForwardedPortOptions,
): Promise<Duplex> {
  if (pid !== undefined && !(await isListening(pid, port))) {
    void session.close();
    throw new RuntimeError('failed', `failed to connect to port ${port} of the pod: nobody listens`);
  }
  const headers = { port: String(port), requestid: '0' };
  const error = session.open({ ...headers, streamtype: 'error' });
  error.end();
  const data = session.open({ ...headers, streamtype: 'data' });
  const connection = new ForwardedConnection(session, data);
  void refusalOf(error).then((why) => {
    if (why !== '') connection.destroy(new RuntimeError('failed', why));
  });
  const cancel = (): void => void connection.destroy();
  if (signal?.aborted === true) cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  connection.once('close', () => signal?.removeEventListener('abort', cancel));
  return connection;
}

async function refusalOf(error: SpdyStream): Promise<string> {
  let text = '';
  try {
    for await (const bytes of error.input) text += Buffer.from(bytes).toString('utf8');
  } catch {
    // The session was cut, which the bytes' own stream tells.
  }
  return text.trim();
}

/** The bytes, as of a socket. */
class ForwardedConnection extends Duplex {
  readonly #session: SpdyConnection;
  readonly #data: SpdyStream;
  readonly #chunks: AsyncIterator<Uint8Array>;

  constructor(session: SpdyConnection, data: SpdyStream) {
    super({ allowHalfOpen: true });
    this.#session = session;
    this.#data = data;
    this.#chunks = data.input[Symbol.asyncIterator]();
    // An end that nobody listens for is told by the end of the bytes.
    this.on('error', () => {});
  }

  override _read(): void {
    this.#chunks.next().then(
      ({ value, done }) => this.push(done === true ? null : value),
      (error: Error) => this.destroy(error),
    );
  }

  override _write(bytes: Buffer, _: string, done: (error?: Error | null) => void): void {
    Promise.resolve(this.#data.write(bytes)).then(() => done(), done);
  }

  override _final(done: () => void): void {
    this.#data.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    void this.#session.close();
    done(error);
  }
}

/** State of a socket that listens, in the kernel's tables of sockets. Source: proc(5), `/proc/net/tcp`. */
const listenState = '0A';

/** Whether somebody listens at a port in the network of a process. True where that cannot be seen: the runtime says so then, later. */
async function isListening(pid: number, port: number): Promise<boolean> {
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'latin1').catch(() => undefined)),
  );
  if (tables.every((table) => table === undefined)) return true;
  return tables.some((table) =>
    (table ?? '').split('\n').some((line) => {
      const [, local = '', , state] = line.trim().split(/\s+/);
      return state === listenState && Number.parseInt(local.split(':')[1] ?? '', 16) === port;
    }),
  );
}
