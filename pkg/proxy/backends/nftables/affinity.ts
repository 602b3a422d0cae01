/** Which clients stay with an endpoint that is gone, from nftables' own listing. Pure. */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { Rule } from '../../model/rule.ts';

/**
 * Keys of the elements of `nft -j list map` that are of one of these rules, by the number under which its clients are kept, and lead to none of
 * its endpoints. Throws where the listing is no JSON.
 */
export function staleAffinities(listing: string, targets: ReadonlyMap<number, Rule>): readonly string[] {
  return elementsIn(JSON.parse(listing)).flatMap(({ client, id, endpoint }) => {
    const rule = targets.get(id);
    if (rule === undefined) return [];
    const all = [...rule.internalEndpoints, ...rule.externalEndpoints, ...(rule.clusterEndpoints ?? [])];
    return all.some(({ ip, port }) => `${ip} ${port}` === endpoint) ? [] : [`${client} . ${id}`];
  });
}

interface Kept {
  readonly client: string;
  readonly id: number;
  readonly endpoint: string;
}

/** `{ nftables: [{ map: { elem: [[{ elem: { val: { concat: [client, id] } } }, { concat: [ip, port] }]] } }] }` */
function elementsIn(document: unknown): readonly Kept[] {
  const maps = listAt(document, 'nftables').flatMap((one) => listAt(valueAt(one, 'map'), 'elem'));
  return maps.flatMap((pair) => {
    if (!Array.isArray(pair)) return [];
    const [left, right]: unknown[] = pair;
    const [client, id] = listAt(valueAt(valueAt(left, 'elem'), 'val') ?? valueAt(left, 'val'), 'concat');
    const [ip, port] = listAt(right, 'concat');
    return typeof client === 'string' ? [{ client, id: Number(id), endpoint: `${ip} ${port}` }] : [];
  });
}

function valueAt(value: unknown, key: string): unknown {
  return isObject(value) ? value[key] : undefined;
}

function listAt(value: unknown, key: string): readonly unknown[] {
  const list = valueAt(value, key);
  return Array.isArray(list) ? list : [];
}
