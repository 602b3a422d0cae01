/**
 * Files of recordings: gzip of lines of JSON, the first of which is the header. They are written as things happen and can be read at any time up to
 * the last flush. A recording that is gone on with is another gzip member, with a header and a state of its own, whose times are of the first start.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { finished, pipeline } from 'node:stream/promises';
import { constants, createGunzip, createGzip, type Gzip } from 'node:zlib';
import { isObject, jsonText } from '#pkg/apimachinery/json.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import {
  type Change,
  type History,
  HistoryError,
  type HistoryHeader,
  historyVersion,
  type Renewals,
} from './history.ts';

/** Longest line: an object, of which the API takes a few megabytes, with room. */
const lineBytesMax = 64 * 1024 * 1024;

/** Writes one recording. What was written is in the file after `flush` or `close`. */
export class RecordingWriter {
  readonly #gzip: Gzip;
  readonly #file: ReturnType<typeof createWriteStream>;
  #failure: unknown;

  constructor(path: string, header: HistoryHeader, { append }: { readonly append: boolean }) {
    this.#gzip = createGzip();
    this.#file = createWriteStream(path, { flags: append ? 'a' : 'w', mode: 0o600 });
    for (const stream of [this.#gzip, this.#file])
      stream.on('error', (error: unknown) => {
        this.#failure ??= error;
      });
    this.#gzip.pipe(this.#file);
    this.write(header);
  }

  /** Throws what went wrong with the file before. */
  write(record: Change | HistoryHeader | Renewals): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#gzip.write(`${jsonText(record)}\n`);
  }

  /** Resolves once all that was written can be read by others. */
  flush(): Promise<void> {
    return new Promise((resolve) => this.#gzip.flush(constants.Z_SYNC_FLUSH, () => resolve()));
  }

  async close(): Promise<void> {
    this.#gzip.end();
    await finished(this.#file);
    if (this.#failure !== undefined) throw this.#failure;
  }
}

/** Reads a recording; one that was cut off is read as far as it goes. Throws `HistoryError` for what is none, or of another version. */
export async function readRecording(path: string): Promise<History> {
  let header: HistoryHeader | undefined;
  const changes: Change[] = [];
  let renewals = 0;
  let endMs = 0;
  for await (const line of linesOf(path)) {
    const value = parse(line, path);
    if (value.coxswain === 'recording') {
      header ??= headerOf(value, path);
      continue;
    }
    if (header === undefined) throw new HistoryError(`${path} is no recording: it has no header`);
    const { ms } = value;
    if (typeof ms !== 'number') throw new HistoryError(`${path} is no recording: a line has no time`);
    endMs = Math.max(endMs, ms);
    if (isRenewals(value)) renewals += value.renewals;
    else if (isChange(value)) changes.push(value);
  }
  if (header === undefined) throw new HistoryError(`${path} is no recording: it is empty`);
  return { header, changes, renewals, endMs, isWhole: await isEnded(path) };
}

/**
 * Writes a recording that was cut off anew, as far as it goes, so that it can be gone on with. Until the new file is whole the old one is there; what of it could not be read is lost. Throws
 * `HistoryError` for what is none, and what the system says.
 */
export async function mendRecording(path: string): Promise<void> {
  const mended = `${path}.mended`;
  const gzip = createGzip();
  const lines = async function* (): AsyncGenerator<string> {
    for await (const line of linesOf(path)) yield `${line}\n`;
  };
  try {
    await pipeline(lines, gzip, createWriteStream(mended, { mode: 0o600, flush: true }));
    await rename(mended, path);
  } finally {
    await rm(mended, { force: true });
  }
}

function headerOf(value: Readonly<Record<string, unknown>>, path: string): HistoryHeader {
  const { version, startMs, secrets } = value;
  if (version !== historyVersion)
    throw new HistoryError(
      `${path} is a recording of version ${JSON.stringify(version)}, and ${historyVersion} is read`,
    );
  if (typeof startMs !== 'number') throw new HistoryError(`${path} is no recording: its header has no start`);
  return { coxswain: 'recording', version: historyVersion, startMs, secrets: secrets === true };
}

const isRenewals = (value: object): value is Renewals => 'renewals' in value;
const isChange = (value: object): value is Change => 'object' in value && isObject(value.object) && 'type' in value;

function parse(line: string, path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (isObject(value)) return value;
  } catch {
    // Said below.
  }
  throw new HistoryError(`${path} is no recording: a line is no object of JSON`);
}

/** Whether whoever wrote a gzip file has come to its end. */
async function isEnded(path: string): Promise<boolean> {
  try {
    await pipeline(createReadStream(path), createGunzip(), async (chunks) => {
      for await (const _ of chunks);
    });
    return true;
  } catch {
    return false;
  }
}

/** The whole lines of a gzip file, up to where it is cut off. */
async function* linesOf(path: string): AsyncGenerator<string> {
  const file = createReadStream(path);
  // A stream that fails at the end of what there is would lose what it has not yet given.
  const stream = file.pipe(createGunzip({ finishFlush: constants.Z_SYNC_FLUSH }));
  file.on('error', (error) => stream.destroy(error));
  let rest = '';
  try {
    for await (const text of stream.setEncoding('utf8')) {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > lineBytesMax) throw new HistoryError(`${path} is no recording: a line is too long`);
      yield* lines;
    }
  } catch (error) {
    if (error instanceof HistoryError) throw error;
    throw new HistoryError(`Cannot read ${path} (${errorCode(error)})`, { cause: error });
  } finally {
    file.destroy();
  }
}
