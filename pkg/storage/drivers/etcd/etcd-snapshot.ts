/** The state of a part of an etcd: ranges at one revision, a page at a time, which etcd answers until it compacts that. */
import type { SnapshotItem } from '../../snapshot/snapshot-format.ts';
import type { SnapshotSource } from '../../snapshot/snapshot-source.ts';
import type { EtcdBackedStore } from './etcd-store.ts';

/** Keys of one page: with large values still less than a connection takes at once. */
const pageItems = 100;

/** The state now of the keys that begin with `prefix`, which is taken off them. Closing it closes the store. */
export async function openEtcdSnapshot(store: EtcdBackedStore, prefix: string): Promise<SnapshotSource> {
  const revision = await store.currentRevision();
  return { revision, items: () => pages({ store, prefix, revision }), close: () => store.close() };
}

async function* pages(of: { store: EtcdBackedStore; prefix: string; revision: number }): AsyncGenerator<SnapshotItem> {
  const { store, prefix, revision } = of;
  for (let startKey = prefix; ; ) {
    const page = await store.rangeWithLives({ prefix, startKey, revision, limit: pageItems });
    for (const item of page) yield { ...item, key: item.key.slice(prefix.length) };
    const last = page.at(-1);
    if (last === undefined || page.length < pageItems) return;
    // The first key after the last one.
    startKey = `${last.key}\0`;
  }
}
