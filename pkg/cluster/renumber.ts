/**
 * Moves a stopped cluster to other addresses: what its objects say of the old ranges is rewritten in the store, each address to the one at the
 * same place in the new range. No API could do it, as cluster IPs and ranges of nodes never change while a cluster runs.
 *
 * Invariant: doing it again changes nothing, so a move that was cut off is finished by the next start. Addresses that people wrote into other
 * fields, such as the environment of a container, stay.
 */

import { formatIpv4, parseIpv4, parseIpv4Range } from '#pkg/apimachinery/ipv4-range.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { Store } from '#pkg/storage/store.ts';
import type { ClusterAddresses } from './settings.ts';

/** Kinds that hold addresses of the cluster, and whether those of its nodes are among them: the API server's own endpoints look like one. */
const kinds = [
  { prefix: '/registry/services/specs/', nodes: false },
  { prefix: '/registry/minions/', nodes: true },
  { prefix: '/registry/pods/', nodes: true },
  { prefix: '/registry/services/endpoints/', nodes: false },
  { prefix: '/registry/endpointslices/', nodes: false },
  { prefix: '/registry/servicecidrs/', nodes: false },
] as const;

/** Fields of those kinds whose texts, or lists of texts, are addresses or ranges. */
const fields: ReadonlySet<string> = new Set([
  'address',
  'addresses',
  'cidrs',
  'clusterIP',
  'clusterIPs',
  'hostIP',
  'ip',
  'podCIDR',
  'podCIDRs',
  'podIP',
]);

/** Objects read at a time. */
const pageSize = 500;

/** Throws when a cluster cannot be moved so, as the ranges are not of one size. */
export function checkRenumber(from: ClusterAddresses, to: ClusterAddresses): void {
  moveOf(from.serviceCidr, to.serviceCidr);
  moveOf(from.podCidr, to.podCidr);
}

/** Rewrites the addresses of all objects; gives how many objects that were. Throws as `checkRenumber`, before anything is written. */
export async function renumberStore(store: Store, from: ClusterAddresses, to: ClusterAddresses): Promise<number> {
  const moves = [moveOf(from.serviceCidr, to.serviceCidr), moveOf(from.podCidr, to.podCidr)];
  let count = 0;
  for (const { prefix, nodes } of kinds) {
    const moved = (text: string): string => {
      if (nodes && text === from.nodeAddress) return to.nodeAddress;
      return moves.reduce((found, move) => (found === text ? move(text) : found), text);
    };
    let startKey = '';
    for (;;) {
      const { items } = await store.range({ prefix, limit: pageSize, ...(startKey === '' ? {} : { startKey }) });
      for (const { key, value, modRevision } of items) {
        const before = Buffer.from(value).toString('utf8');
        const after = JSON.stringify(renumbered(JSON.parse(before), moved));
        if (after === before) continue;
        await store.write({ type: 'put', key, value: Buffer.from(after), ifModRevision: modRevision });
        count++;
      }
      if (items.length < pageSize) break;
      // The first key after the last one.
      startKey = `${items.at(-1)!.key}\0`;
    }
  }
  return count;
}

/** From an address or range in one range to the one at the same place in another; what is not in it stays as it is. */
function moveOf(from: string, to: string): (text: string) => string {
  const [old, next] = [parseIpv4Range(from), parseIpv4Range(to)];
  if (old === undefined || next === undefined || old.size !== next.size)
    throw new Error(`Cannot move the addresses of ${from} to ${to} as the ranges are not of one size`);
  return (text) => {
    const [address = '', bits] = text.split('/');
    const number = parseIpv4(address);
    if (number === undefined || number < old.base || number >= old.base + old.size) return text;
    return `${formatIpv4(next.base + number - old.base)}${bits === undefined ? '' : `/${bits}`}`;
  };
}

/** A copy of a JSON value in which the texts of `fields` are moved. */
function renumbered(value: unknown, moved: (text: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => renumbered(item, moved));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) => {
      if (!fields.has(key)) return [key, renumbered(field, moved)];
      if (typeof field === 'string') return [key, moved(field)];
      if (!Array.isArray(field)) return [key, renumbered(field, moved)];
      return [key, field.map((item) => (typeof item === 'string' ? moved(item) : renumbered(item, moved)))];
    }),
  );
}
