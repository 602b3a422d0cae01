/**
 * A KMS plugin for tests, in a process of its own: it encrypts under keys that it alone has. What it is told on its standard input it does: `key ID` takes another
 * key, `sick` and `well` change what it says of itself, `deaf` answers nothing any more. Each line is answered by `ok` once it is in force.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { execPath, stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BackwardWriter, Reader } from '#pkg/apimachinery/protobuf/wire.ts';
import { frameHead } from '#pkg/grpc/grpc-frames.ts';

/** A plugin that runs. */
export interface TestKmsPlugin {
  /** Tells it something, and waits until it is in force. */
  tell(line: string): Promise<void>;
  /** Kills it. */
  stop(): Promise<void>;
}

/** Starts one at a socket, and resolves once it listens. */
export async function startTestKms(socketPath: string): Promise<TestKmsPlugin> {
  const code = `import(${JSON.stringify(import.meta.url)}).then(({ servePlugin }) => servePlugin(${JSON.stringify(socketPath)}))`;
  const cwd = fileURLToPath(new URL('../../../..', import.meta.url));
  const child: ChildProcess = spawn(execPath, ['--input-type=module', '-e', code], {
    cwd,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const { stdin: input, stdout: output } = child;
  if (input === null || output === null) throw new Error('the plugin has no input and output');
  const answers = createInterface({ input: output })[Symbol.asyncIterator]();
  await answers.next();
  return {
    async tell(line) {
      input.write(`${line}\n`);
      await answers.next();
    },
    async stop() {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

/** What the process does. */
export function servePlugin(socketPath: string): void {
  const state = { keyId: '1', healthz: 'ok', isDeaf: false };
  const server = createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      if (state.isDeaf) return;
      const call = String(headers[':path']).replace(/^.*\//, '');
      try {
        answer(stream, answerOf(call, Buffer.concat(chunks).subarray(5), state));
      } catch (error) {
        refuse(stream, String(error));
      }
    });
    stream.on('error', () => {});
  });
  server.listen(socketPath, () => stdout.write('listening\n'));
  createInterface({ input: stdin }).on('line', (line) => {
    const [what, id = ''] = line.split(' ');
    if (what === 'key') state.keyId = id;
    if (what === 'sick') state.healthz = 'no key is at hand';
    if (what === 'well') state.healthz = 'ok';
    if (what === 'deaf') state.isDeaf = true;
    stdout.write('ok\n');
  });
}

/** By field. */
type Parts = ReadonlyMap<number, Uint8Array>;

function answerOf(
  call: string,
  message: Uint8Array,
  { keyId, healthz }: { readonly keyId: string; readonly healthz: string },
): Parts {
  const asked = partsOf(message);
  if (call === 'Status')
    return new Map([
      [1, Buffer.from('v2')],
      [2, Buffer.from(healthz)],
      [3, Buffer.from(keyId)],
    ]);
  if (call === 'Encrypt') {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', keyOf(keyId), nonce);
    const text = Buffer.concat([nonce, cipher.update(asked.get(1) ?? nothing), cipher.final(), cipher.getAuthTag()]);
    const annotation = encoded(
      new Map([
        [1, Buffer.from('nonce.kms.test')],
        [2, nonce],
      ]),
    );
    return new Map<number, Uint8Array>([
      [1, text],
      [2, Buffer.from(keyId)],
      [3, annotation],
    ]);
  }
  const text = asked.get(1) ?? nothing;
  const annotations = partsOf(asked.get(4) ?? nothing);
  const nonce = annotations.get(2) ?? nothing;
  const cipher = createDecipheriv('aes-256-gcm', keyOf(Buffer.from(asked.get(3) ?? nothing).toString()), nonce);
  cipher.setAuthTag(text.subarray(-16));
  return new Map([[1, Buffer.concat([cipher.update(text.subarray(12, -16)), cipher.final()])]]);
}

const nothing = new Uint8Array(0);

function keyOf(id: string): Buffer {
  return createHash('sha256').update(`kek ${id}`).digest();
}

function partsOf(message: Uint8Array): Parts {
  const parts = new Map<number, Uint8Array>();
  const reader = new Reader(message);
  while (!reader.atEnd) parts.set(Math.floor(reader.varint() / 8), reader.delimited());
  return parts;
}

function encoded(parts: Parts): Uint8Array {
  const message = new BackwardWriter();
  for (const [field, value] of [...parts].reverse()) {
    const before = message.length;
    message.raw(value);
    message.delimit(field, before);
  }
  return message.finish();
}

function answer(stream: ServerHttp2Stream, parts: Parts): void {
  const message = encoded(parts);
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.concat([frameHead(message.length), message]));
}

function refuse(stream: ServerHttp2Stream, message: string): void {
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc',
      'grpc-status': '2',
      'grpc-message': encodeURIComponent(message),
    },
    { endStream: true },
  );
}
