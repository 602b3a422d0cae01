/**
 * A copy of one resource as the API server's tables show it, kept by a list that is read page by page and the watch that goes on from it. Laws:
 * - listeners are told of each change once, in order, after the copy has it, with the rows before and after; rows are never changed, only replaced;
 * - what is lost is made up for: a watch that ends goes on where it was, one whose past is gone is followed by a new list, of which only differences are told;
 * - a refusal is told as `problem` and tried again after a while that doubles: rights may come. The copy stays what it was.
 * It holds at most `rowsMax` rows and says so instead of reading more. Upstream counterpart: client-go `tools/cache/reflector.go`, for tables.
 */
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { dig, digList, digNumber, digText, type KubeApi, linesOf } from '#pkg/kubectl/api.ts';
import type { Column, ResourceId } from '../model/protocol.ts';
import { type KeptRow, needsObjects, rowOf } from './row-of.ts';

/** A row that came, went or was replaced. */
export interface Change {
  readonly before?: KeptRow;
  readonly after?: KeptRow;
}

/** Who follows a copy. Both are called synchronously and must not throw. */
export interface MirrorListener {
  changed(changes: readonly Change[]): void;
  /** How far it has come, or what is in the way, is different now. */
  stateChanged(): void;
}

/** In whose name, by which clock, and who is told that they are not let in any more. */
export interface MirrorOptions {
  readonly api: Pick<KubeApi, 'stream'>;
  readonly resource: ResourceId;
  readonly clock: Clock;
  /** Told when the API server does not know the caller any more. */
  readonly onUnauthorized?: () => void;
}

const tableAccept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
/** Objects of one page: some hundredths of a second to read, so that others have their turn in between. */
const pageObjects = 500;
/** Of the first page: more than fit on a screen, so that there is something to look at while the rest is read. */
const firstObjects = 100;
/** Five times the pods of the largest cluster that Kubernetes supports. */
const rowsMax = 750_000;
const retryMsMin = 500;
const retryMsMax = 30_000;

/** The copy. */
export class TableMirror {
  readonly #options: MirrorOptions;
  readonly #rows = new Map<string, KeptRow>();
  readonly #listeners = new Set<MirrorListener>();
  #columns: readonly Column[] = [];
  #isComplete = false;
  #expected = 0;
  #problem: string | undefined;
  #version = '';

  constructor(options: MirrorOptions) {
    this.#options = options;
  }

  get rows(): ReadonlyMap<string, KeptRow> {
    return this.#rows;
  }

  get columns(): readonly Column[] {
    return this.#columns;
  }

  /** Whether all has been read once. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** How many rows there are, as far as the server has said. */
  get expected(): number {
    return this.#isComplete ? this.#rows.size : Math.max(this.#expected, this.#rows.size);
  }

  /** What keeps it from being up to date. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Adds a listener; gives what takes it away. */
  follow(listener: MirrorListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Keeps the copy until the signal is aborted. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    let retryMs = retryMsMin;
    while (!signal.aborted) {
      try {
        if (this.#version === '') await this.#list(signal);
        this.#setProblem(undefined);
        retryMs = retryMsMin;
        await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (isPast(error)) this.#version = '';
        else {
          if (error instanceof StatusError && error.reason === 'Unauthorized') this.#options.onUnauthorized?.();
          this.#setProblem(errorText(error));
        }
        await sleep(this.#options.clock, retryMs, signal);
        retryMs = Math.min(2 * retryMs, retryMsMax);
      }
    }
  }

  #setProblem(problem: string | undefined): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    for (const listener of this.#listeners) listener.stateChanged();
  }

  get #path(): string {
    const { group, version, resource } = this.#options.resource;
    return `${group === '' ? '/api' : `/apis/${group}`}/${version}/${resource}`;
  }

  get #include(): string {
    return needsObjects(this.#options.resource) ? 'Object' : 'Metadata';
  }

  async #list(signal: AbortSignal): Promise<void> {
    const gone = new Set(this.#rows.keys());
    let from: string | undefined;
    let version = '';
    do {
      const table = await this.#page(from, signal);
      version ||= digText(table, 'metadata', 'resourceVersion');
      from = digText(table, 'metadata', 'continue') || undefined;
      const rows = digList(table, 'rows');
      for (const row of rows) gone.delete(keyOf(row));
      this.#expected = this.#rows.size + rows.length + digNumber(table, ['metadata', 'remainingItemCount']);
      this.#takeColumns(table);
      this.#tell(rows.flatMap((row) => this.#put(row)));
      if (this.#rows.size > rowsMax) throw new Error(`Cannot show more than ${rowsMax} objects of a resource`);
      await this.#options.clock.yield();
      signal.throwIfAborted();
    } while (from !== undefined);
    this.#tell([...gone].flatMap((key) => this.#remove(key)));
    this.#version = version;
    this.#isComplete = true;
    for (const listener of this.#listeners) listener.stateChanged();
  }

  async #page(from: string | undefined, signal: AbortSignal): Promise<unknown> {
    const limit = from === undefined && this.#rows.size === 0 ? firstObjects : pageObjects;
    const query = { limit: String(limit), includeObject: this.#include, continue: from };
    const chunks = await this.#options.api.stream({
      method: 'GET',
      path: this.#path,
      query,
      accept: tableAccept,
      signal,
    });
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks) parts.push(chunk);
    return JSON.parse(Buffer.concat(parts).toString('utf8'));
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const query = {
      watch: 'true',
      resourceVersion: this.#version,
      allowWatchBookmarks: 'true',
      includeObject: this.#include,
    };
    const call = { method: 'GET', path: this.#path, query, accept: tableAccept, signal } as const;
    for await (const line of linesOf(await this.#options.api.stream(call))) {
      if (line === '') continue;
      const event: unknown = JSON.parse(line);
      const type = digText(event, 'type');
      const table = dig(event, 'object');
      if (type === 'ERROR') throw StatusError.from(table as Parameters<typeof StatusError.from>[0]);
      const [row] = digList(table, 'rows');
      this.#version =
        digText(row, 'object', 'metadata', 'resourceVersion') ||
        digText(table, 'metadata', 'resourceVersion') ||
        this.#version;
      this.#takeColumns(table);
      if (row === undefined || type === 'BOOKMARK') continue;
      this.#tell(type === 'DELETED' ? this.#remove(keyOf(row)) : this.#put(row));
    }
  }

  #takeColumns(table: unknown): void {
    const columns = digList(table, 'columnDefinitions');
    if (columns.length === 0 || this.#columns.length > 0) return;
    this.#columns = columns.map((column) => ({
      name: digText(column, 'name'),
      description: digText(column, 'description'),
      priority: digNumber(column, ['priority']),
    }));
  }

  #put(row: unknown): readonly Change[] {
    const after = rowOf(this.#options.resource, row);
    if (after === undefined) return [];
    const before = this.#rows.get(after.key);
    if (before !== undefined && before.version === after.version && before.uid === after.uid) return [];
    this.#rows.set(after.key, after);
    return [before === undefined ? { after } : { before, after }];
  }

  #remove(key: string): readonly Change[] {
    const before = this.#rows.get(key);
    if (before === undefined) return [];
    this.#rows.delete(key);
    return [{ before }];
  }

  #tell(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    for (const listener of this.#listeners) listener.changed(changes);
  }
}

function keyOf(row: unknown): string {
  const namespace = digText(row, 'object', 'metadata', 'namespace');
  const name = digText(row, 'object', 'metadata', 'name');
  return namespace === '' ? name : `${namespace}/${name}`;
}

function isPast(error: unknown): boolean {
  return error instanceof StatusError && (error.reason === 'Expired' || error.reason === 'Gone');
}
