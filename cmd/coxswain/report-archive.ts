/**
 * A new archive (tar, gzip) that is written file by file, and what could not be had for it.
 *
 * Laws: all is in one folder of the archive. A file that there is already is never written over. What cannot be had is a line in `problems.txt`, and keeps
 * nothing else from being written; an archive that cannot be written does not stay.
 */
import { type FileHandle, open, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Clock } from '#pkg/base/clock.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { tarEnd, tarFile } from '#pkg/images/tar/tar-writer.ts';

const gzipped = promisify(gzip);

/** How an archive is written. */
interface ArchiveOptions {
  /** The folder in it that all files are in. */
  readonly folder: string;
  readonly clock: Clock;
}

/** Writes one to `path`, for its owner alone. Throws `UserError` where it cannot be written, and for a file that is there. */
export async function writeReport(
  path: string,
  options: ArchiveOptions,
  fill: (report: ReportArchive) => Promise<void>,
): Promise<ReportArchive> {
  const file = await open(path, 'wx', 0o600).catch((error) => {
    const isThere = errorCode(error) === 'EEXIST';
    throw new UserError(
      isThere
        ? `Cannot export to ${path} as it is there: name a new file`
        : `Cannot export to ${path} (${errorCode(error)})`,
      error,
    );
  });
  try {
    const report = new ReportArchive(file, options);
    await fill(report);
    await report.end();
    return report;
  } catch (error) {
    await rm(path, { force: true });
    throw new UserError(`Cannot export to ${path} (${errorCode(error) ?? errorText(error)})`, error);
  } finally {
    await file.close();
  }
}

/** An archive while it is written. */
export class ReportArchive {
  readonly problems: string[] = [];
  readonly #file: FileHandle;
  readonly #options: ArchiveOptions;
  /** Why the archive cannot be written; nothing of it is of use then. */
  #failure: unknown;

  constructor(file: FileHandle, options: ArchiveOptions) {
    this.#file = file;
    this.#options = options;
  }

  /** What is missing. */
  note(problem: string): void {
    this.problems.push(problem);
  }

  /** Does something for the archive; that it fails is noted as a problem of `what`. */
  async try(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.note(`${what}: ${errorText(error)}`);
    }
  }

  /** One file. Names of folders and files are of objects, which have no slashes; other names are the caller's. */
  async write(name: string, contents: Uint8Array | string): Promise<void> {
    const { folder, clock } = this.#options;
    const modified = Math.floor(clock.nowMs() / 1000);
    await this.#append(tarFile({ path: Buffer.from(`${folder}/${name}`).toString('latin1'), modified }, contents));
  }

  /** What comes last. Throws what kept the archive from being written. */
  async end(): Promise<void> {
    if (this.problems.length > 0) await this.write('problems.txt', this.problems.map((one) => `${one}\n`).join(''));
    await this.#append(tarEnd());
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** As a member of its own: those that follow each other are one file to whoever reads them. Source: RFC 1952, section 2.2. */
  async #append(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) return;
    try {
      await this.#file.appendFile(await gzipped(bytes));
    } catch (error) {
      this.#failure = error;
    }
  }
}
