/**
 * How the keys of objects are laid out in a store, and how a store of the layout before is brought to this one, at its first start. Layout 1 had
 * `/registry/<group or core>/<resource>/…` for all; layout 2 is upstream's (`pkg/apiserver/storage/storage-key.ts`); layout 3 is the same, but that of an etcd
 * revisions are shown a thousand apart (`pkg/storage/drivers/etcd/etcd-revisions.ts`). Objects themselves stay as they are.
 *
 * Invariants: each object is at its new key before it is gone from its old one, so a start that was cut off loses nothing and the next goes on. Several
 * servers may do it at once: one that finds its object moved, and perhaps deleted, by another takes its own copy back. What was watched before the move is
 * compacted away, so that a revision of before, which now stands for one long past, is refused. It must not be done while a server of an older version writes to the store.
 */
import { resources } from '#pkg/api/resources.ts';
import { storagePrefix } from '#pkg/apiserver/storage/storage-key.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { strategies } from '#pkg/registry/table.ts';
import type { KeyValue, Store } from '#pkg/storage/store.ts';
import { keyLayout, layoutKey, writeLayout } from './store-keys.ts';

/** Objects moved at a time: one sync of a disk, or one round of an etcd, is for many. */
const movedAtOnce = 256;

/** One resource whose objects lie elsewhere than they did. */
interface Move {
  readonly from: string;
  readonly to: string;
  /** How long objects live, where they do not for ever. What is left of that is not known here: they get all of it again. */
  readonly ttlMs: number | undefined;
}

/** The layout that a store's key for it says, undefined where it has none. Throws `UserError` for a later version. */
export function layoutOf(value: Uint8Array | undefined, where: string): number {
  const layout = value === undefined ? 1 : Number(Buffer.from(value).toString('utf8'));
  if (Number.isInteger(layout) && layout >= 1 && layout <= keyLayout) return layout;
  throw new UserError(
    `Cannot use the store in ${where} as its keys are laid out as in version ${layout}, and this program knows up to ${keyLayout}: start the version that wrote it`,
  );
}

/** Brings a store to this layout; gives how many objects were moved. Throws `UserError` for one of a later version, and what the store does. */
export async function bringToLayout(store: Store, where: string): Promise<number> {
  const found = await store.get(layoutKey);
  const layout = layoutOf(found?.value, where);
  if (layout === keyLayout) return 0;
  let count = 0;
  if (layout === 1) for (const move of moves()) count += await moveAll(store, move);
  // Also where a start before has moved the last of them and was cut off.
  if (layout === 1 || store.localRevision === undefined) await store.compact(await store.currentRevision());
  await writeLayout(store, found?.modRevision);
  return count;
}

function moves(): readonly Move[] {
  const rules = new Map(strategies.map((strategy) => [`${strategy.group}/${strategy.resource}`, strategy.keeping]));
  const byOldPrefix = new Map<string, Move>();
  for (const { group, resource } of resources) {
    const keeping = rules.get(`${group}/${resource}`);
    const from = `/registry/${group || 'core'}/${resource}/`;
    const to = storagePrefix({ resource }, keeping);
    if (from !== to) byOldPrefix.set(from, { from, to, ttlMs: keeping?.ttlMs });
  }
  return [...byOldPrefix.values()];
}

async function moveAll(store: Store, move: Move): Promise<number> {
  for (let count = 0; ; ) {
    const { items } = await store.range({ prefix: move.from, limit: movedAtOnce, counted: false });
    if (items.length === 0) return count;
    await Promise.all(items.map((item) => moveOne(store, item, move)));
    count += items.length;
  }
}

async function moveOne(store: Store, { key: old, value, modRevision }: KeyValue, move: Move): Promise<void> {
  const key = `${move.to}${old.slice(move.from.length)}`;
  const life = move.ttlMs === undefined ? {} : { ttlMs: move.ttlMs };
  const put = await store.write({ type: 'put', key, value, ifModRevision: 0, ...life });
  if (!put.ok) {
    // Put by a start that was cut off, or by another server that may be about to take it back: written again it cannot.
    if (put.current === undefined) return;
    const { value: kept, modRevision: ifModRevision } = put.current;
    if (!(await store.write({ type: 'put', key, value: kept, ifModRevision, ...life })).ok) return;
  }
  const gone = await store.write({ type: 'delete', key: old, ifModRevision: modRevision });
  // Another server has moved it meanwhile, and somebody may have deleted it since.
  if (put.ok && !gone.ok) await store.write({ type: 'delete', key, ifModRevision: put.revision });
}
