/**
 * Judges a history: whether all that its clients saw can be explained by objects that each change at one moment, between a call's begin and its end.
 *
 * A store with revisions says in which order it made its changes, so nothing has to be guessed as in a search for a linearization: every version of an
 * object has a revision, calls are put beside them at the earliest place that fits, and a call that began after another had ended must not be
 * placed before it. The earliest place is the best one for every later call, so that what does not fit then does not fit at all.
 *
 * Deletions tell their revisions to watches alone. One that no watch has seen, as all of them were told that the history is gone, is where it is first
 * possible: behind the state that it deleted, and behind every list that still has that.
 */
import type { Call, History, Item, Watch } from './history.ts';

/** A state of an object from `revision` on; absent `value`: it is not there. */
interface Version {
  readonly revision: number;
  readonly value?: string;
  /** A deletion that no watch has seen, with the revision of what is known to come next. */
  readonly unseenUntil?: number;
}

/** Everything that is wrong, a line each; none of a history that is as it ought to be. */
export function problemsOf(history: History): readonly string[] {
  const problems: string[] = [];
  const versions = new Versions(problems);
  for (const watch of history.watches) versions.learnWatch(watch);
  for (const call of history.calls) versions.learnCall(call);
  versions.finish(history.calls);
  for (const call of history.calls) checkWrite(call, versions, problems);
  checkOrigins(history, versions, problems);
  for (const watch of history.watches) checkWatch(watch, versions, problems);
  checkOrder(history, versions, problems);
  return problems;
}

/** All versions that anybody has seen, by object and in the order of their revisions. */
class Versions {
  readonly #problems: string[];
  readonly #byRevision = new Map<number, { readonly name: string; readonly value: string | undefined }>();
  readonly #byName = new Map<string, Version[]>();
  readonly #byValue = new Map<string, number>();

  constructor(problems: string[]) {
    this.#problems = problems;
  }

  learnWatch({ watcher, events }: Watch): void {
    for (const { type, name, value, revision } of events)
      this.#learn({ name, revision, ...(type === 'DELETED' ? {} : { value }) }, `watch ${watcher}`);
  }

  learnCall(call: Call): void {
    const { kind, name, value, revision, found, items = [] } = call;
    if ((kind === 'create' || kind === 'update') && revision !== undefined && value !== undefined)
      this.#learn({ name, value, revision }, textOf(call));
    for (const item of found === undefined ? items : [found, ...items]) this.#learn(item, textOf(call));
  }

  /** Puts everything in order, with the deletions that nobody saw but which were asked for and have happened. */
  finish(calls: readonly Call[]): void {
    const deletes = Map.groupBy(
      calls.filter(({ kind }) => kind === 'delete'),
      ({ name, precondition }) => `${name} ${precondition}`,
    );
    const created = new Set(calls.filter(({ kind }) => kind === 'create').map(({ value }) => value));
    for (const [name, list] of this.#byName) {
      list.sort((a, b) => a.revision - b.revision);
      const all: Version[] = [];
      for (const [i, version] of list.entries()) {
        all.push(version);
        const asked = deletes.get(`${name} ${version.revision}`) ?? [];
        const next = list[i + 1];
        if (version.value === undefined || asked.length === 0 || (next !== undefined && next.value === undefined))
          continue;
        const isAcknowledged = asked.some(({ ended }) => ended !== undefined);
        const hasHappened =
          next === undefined ? isAcknowledged || isFoundGone(calls, { name, version }) : created.has(next.value);
        if (hasHappened) all.push(unseenDeletion(calls, { name, version, next }));
      }
      this.#byName.set(name, all);
    }
  }

  names(): Iterable<string> {
    return this.#byName.keys();
  }

  all(): Iterable<readonly [number, { readonly name: string; readonly value: string | undefined }]> {
    return this.#byRevision;
  }

  of(name: string): readonly Version[] {
    return this.#byName.get(name) ?? [];
  }

  /** The revision at which a value was written; undefined for one that nobody has seen. */
  revisionOf(value: string | undefined): number | undefined {
    return value === undefined ? undefined : this.#byValue.get(value);
  }

  /** Index of the version of `name` that counts at `revision`; -1 before the first. */
  indexAt(name: string, revision: number): number {
    const list = this.of(name);
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((list[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  at(name: string, revision: number): Version {
    return this.of(name)[this.indexAt(name, revision)] ?? { revision: 0 };
  }

  #learn({ name, revision, value }: { name: string; revision: number; value?: string }, who: string): void {
    const known = this.#byRevision.get(revision);
    if (known !== undefined) {
      if (known.name !== name || known.value !== value)
        this.#problems.push(
          `revision ${revision} is ${known.name}=${known.value} and ${name}=${value}, which ${who} saw`,
        );
      return;
    }
    this.#byRevision.set(revision, { name, value });
    const list = this.#byName.get(name);
    const version = value === undefined ? { revision } : { revision, value };
    if (list === undefined) this.#byName.set(name, [version]);
    else list.push(version);
    if (value === undefined) return;
    const other = this.#byValue.get(value);
    if (other === undefined) this.#byValue.set(value, revision);
    else this.#problems.push(`${value} was written twice: at revisions ${other} and ${revision}`);
  }
}

/** Where a state and its name are. */
interface Place {
  readonly name: string;
  readonly version: Version;
}

/** Whether somebody has found nothing after the last state of an object that is known. */
function isFoundGone(calls: readonly Call[], { name, version }: Place): boolean {
  const seen = calls.find(
    ({ found, revision }) => revision === version.revision || found?.revision === version.revision,
  );
  return calls.some(
    ({ kind, name: asked, found, began, ended, revision = 0, items = [] }) =>
      ended !== undefined &&
      ((kind === 'get' && asked === name && found === undefined && began > (seen?.began ?? 0)) ||
        (kind === 'list' && revision >= version.revision && items.every((item) => item.name !== name))),
  );
}

function unseenDeletion(
  calls: readonly Call[],
  { name, version, next }: Place & { next: Version | undefined },
): Version {
  let last = version.revision;
  for (const { kind, revision = 0, items = [] } of calls)
    if (
      kind === 'list' &&
      revision > last &&
      items.some((item) => item.name === name && item.revision === version.revision)
    )
      last = revision;
  // Between two revisions, as its own is not known.
  return { revision: last + 0.5, unseenUntil: next?.revision ?? Number.POSITIVE_INFINITY };
}

/** A call in one line. */
function textOf({ client, kind, name, value, began, ended, revision, precondition }: Call): string {
  const what = [kind, name, value === undefined ? '' : `=${value}`].join(' ').trim();
  const wanted = precondition === undefined ? '' : ` of ${precondition}`;
  const got = revision === undefined ? '' : ` at ${revision}`;
  return `client ${client}: ${what}${wanted}${got} (${began} to ${ended ?? 'never'})`;
}

/** The revision at which a write took effect; undefined for one that nobody has seen, and for what is no write. */
function placeOf(call: Call, versions: Versions): number | undefined {
  const { kind, name, value, revision, precondition = 0 } = call;
  if (kind === 'create' || kind === 'update') return revision ?? versions.revisionOf(value);
  if (kind !== 'delete') return undefined;
  const next = versions.of(name)[versions.indexAt(name, precondition) + 1];
  return next !== undefined && next.value === undefined ? next.revision : undefined;
}

/** What a write replaced is what it wanted to replace; what was acknowledged is there. */
function checkWrite(call: Call, versions: Versions, problems: string[]): void {
  const { kind, name, precondition } = call;
  if (kind === 'get' || kind === 'list') return;
  const place = placeOf(call, versions);
  if (place === undefined) {
    if (call.ended !== undefined) problems.push(`${textOf(call)} was acknowledged and is nowhere`);
    return;
  }
  const before = versions.of(name)[versions.indexAt(name, place) - 1];
  if (kind === 'create' && before?.value !== undefined)
    problems.push(`${textOf(call)} made what was there, at revision ${before.revision}`);
  if (kind !== 'create' && (before?.value === undefined || before.revision !== precondition))
    problems.push(`${textOf(call)} replaced revision ${before?.revision ?? 'none'}`);
}

/** Every value was written by somebody, and every deletion asked for by somebody and acknowledged to one at most. */
function checkOrigins({ calls }: History, versions: Versions, problems: string[]): void {
  const written = new Map(calls.map(({ name, value }) => [value ?? '', name]));
  for (const [revision, { name, value }] of versions.all())
    if (value !== undefined && written.get(value) !== name)
      problems.push(`${name}=${value} at revision ${revision} was never written`);
  const deletes = Map.groupBy(
    calls.filter(({ kind }) => kind === 'delete'),
    ({ name, precondition }) => `${name} ${precondition}`,
  );
  for (const [revision, { name, value }] of versions.all()) {
    if (value !== undefined) continue;
    const before = versions.of(name)[versions.indexAt(name, revision) - 1];
    const asked = deletes.get(`${name} ${before?.revision}`) ?? [];
    if (asked.length === 0) problems.push(`the deletion of ${name} at revision ${revision} was never asked for`);
    const acknowledged = asked.filter(({ ended }) => ended !== undefined);
    if (acknowledged.length > 1)
      problems.push(`the deletion of ${name} at revision ${revision} was acknowledged to ${acknowledged.length}`);
  }
}

/** A watch has every change of its time once, in order, and called by its name. */
function checkWatch({ watcher, from, to, events }: Watch, versions: Versions, problems: string[]): void {
  const who = `watch ${watcher}`;
  let last = from;
  for (const { type, name, revision } of events) {
    if (revision <= last) problems.push(`${who}: ${name} at revision ${revision} comes after ${last}`);
    last = Math.max(last, revision);
    const index = versions.indexAt(name, revision);
    const before = versions.of(name)[index - 1]?.value;
    const now = versions.of(name)[index]?.value;
    const right = now === undefined ? 'DELETED' : before === undefined ? 'ADDED' : 'MODIFIED';
    if (type !== right) problems.push(`${who}: ${name} at revision ${revision} is ${type}, not ${right}`);
  }
  const seen = new Set(events.map(({ revision }) => revision));
  for (const [revision, { name }] of versions.all())
    if (revision > from && revision <= to && !seen.has(revision))
      problems.push(`${who}: ${name} at revision ${revision} is missing`);
  for (const name of versions.names())
    for (const [i, { unseenUntil, revision }] of versions.of(name).entries()) {
      const before = versions.of(name)[i - 1];
      if (unseenUntil !== undefined && before !== undefined && from <= before.revision && to >= unseenUntil)
        problems.push(`${who}: the deletion of ${name} behind revision ${Math.floor(revision)} is missing`);
    }
}

/** How far an object is known to be: whatever begins from now on is not placed before. */
class Horizon {
  readonly #least = new Map<string, number>();

  of(name: string): number {
    return this.#least.get(name) ?? 0;
  }

  raise(name: string, revision: number): void {
    if (revision > this.of(name)) this.#least.set(name, revision);
  }

  copy(names: Iterable<string>): ReadonlyMap<string, number> {
    return new Map([...names].map((name) => [name, this.of(name)]));
  }
}

/** What has ended when a call begins comes before it, object by object. */
function checkOrder({ calls }: History, versions: Versions, problems: string[]): void {
  const moments: { readonly at: number; readonly call: Call; readonly isEnd: boolean }[] = [];
  for (const call of calls) {
    moments.push({ at: call.began, call, isEnd: false });
    if (call.ended !== undefined) moments.push({ at: call.ended, call, isEnd: true });
  }
  moments.sort((a, b) => a.at - b.at);
  const horizon = new Horizon();
  const begun = new Map<Call, ReadonlyMap<string, number>>();
  for (const { call, isEnd } of moments) {
    const names = call.kind === 'list' ? versions.names() : [call.name];
    if (!isEnd) {
      const least = horizon.copy(names);
      begun.set(call, least);
      const place = placeOf(call, versions);
      const known = least.get(call.name) ?? 0;
      // A delete of which nobody knows what became has done nothing where another was first: what it would have done is there already.
      if (call.kind === 'delete' && call.ended === undefined) continue;
      if (place !== undefined && place <= known)
        problems.push(`${textOf(call)} took effect at ${place}, before what was known when it began: ${known}`);
      continue;
    }
    const least = begun.get(call) ?? new Map<string, number>();
    for (const name of names) {
      const place = endPlace(call, { name, least: least.get(name) ?? 0 }, versions);
      if (place !== undefined) horizon.raise(name, place);
      else problems.push(`${textOf(call)} does not show ${name} as it was at ${least.get(name) ?? 0} or later`);
    }
  }
}

/** The earliest revision at which a call that has ended fits; undefined when there is none. */
function endPlace(
  call: Call,
  { name, least }: { readonly name: string; readonly least: number },
  versions: Versions,
): number | undefined {
  const { kind, found, revision = 0, items = [] } = call;
  if (kind === 'list') {
    const item: Item | undefined = items.find((one) => one.name === name);
    const then = versions.at(name, revision);
    const isSo = then.value === item?.value && (item === undefined || item.revision === then.revision);
    return isSo && revision >= least ? revision : undefined;
  }
  // A write was judged when it began; one that is nowhere is a problem already.
  if (kind !== 'get') return placeOf(call, versions) ?? least;
  const list = versions.of(name);
  for (let index = versions.indexAt(name, least); index < list.length; index++) {
    const version: Version = list[index] ?? { revision: 0 };
    const fits = found === undefined ? version.value === undefined : version.revision === found.revision;
    if (fits) return Math.max(version.revision, least);
  }
  return undefined;
}
