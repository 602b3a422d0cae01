/** The messages of etcd's API as the etcd3 package gives them (numbers as strings, bytes as Buffers), and what they are here. */
import { endOfPrefix } from '../../prefix.ts';
import { compareKeys } from '../../sorted-map.ts';
import type { KeyValue, StoreEvent } from '../../store.ts';

/** A key with its value and revisions. */
export interface EtcdKeyValue {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly create_revision: string;
  readonly mod_revision: string;
}

/** A change; `type` is `Put` or `Delete`. */
export interface EtcdEvent {
  readonly type: string;
  readonly kv: EtcdKeyValue;
  readonly prev_kv?: EtcdKeyValue | null;
}

/** Changes of one revision or several, or why the watch has ended. */
export interface EtcdWatchResponse {
  readonly canceled: boolean;
  readonly cancel_reason: string;
  readonly compact_revision: string;
  readonly events: readonly EtcdEvent[];
}

/** The range of every key. */
export const allKeys = { key: Buffer.from([0]), range_end: Buffer.from([0]) };

/** A key and its value in this project's form. Revisions stay exact below 2^53. */
export function kvOfEtcd(kv: EtcdKeyValue): KeyValue {
  return {
    key: kv.key.toString(),
    value: kv.value,
    createRevision: Number(kv.create_revision),
    modRevision: Number(kv.mod_revision),
  };
}

/** Undefined for a deletion of which etcd no longer knows what was deleted. */
export function eventOfEtcd(event: EtcdEvent): StoreEvent | undefined {
  const previous = event.prev_kv ? kvOfEtcd(event.prev_kv) : undefined;
  if (event.type === 'Put' || event.type === 'PUT') {
    const kv = kvOfEtcd(event.kv);
    return previous === undefined ? { type: 'put', kv } : { type: 'put', kv, previous };
  }
  if (previous === undefined) return undefined;
  return { type: 'delete', key: event.kv.key.toString(), revision: Number(event.kv.mod_revision), previous };
}

/** etcd's range of the keys that start with `prefix`, from `startKey` on when that comes later. */
export function rangeOfPrefix(prefix: string, startKey?: string): { readonly key: Buffer; readonly range_end: Buffer } {
  const later = startKey !== undefined && compareKeys(startKey, prefix) > 0;
  const key = Buffer.from(later ? startKey : prefix);
  return { key: key.length === 0 ? allKeys.key : key, range_end: endOfPrefix(prefix) ?? allKeys.range_end };
}
