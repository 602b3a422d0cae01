import { expect, test } from 'vitest';
import { endpointAt, makeRule } from '../../testing/rules.ts';
import { staleAffinities } from './affinity.ts';

/** As nft 1.0.6 writes it. */
const listing = (elements: readonly (readonly [client: string, id: number, ip: string])[]) =>
  JSON.stringify({
    nftables: [
      { metainfo: { json_schema_version: 1 } },
      {
        map: {
          name: 'affinity4',
          elem: elements.map(([client, id, ip]) => [
            { elem: { val: { concat: [client, id] }, timeout: 10, expires: 9 } },
            { concat: [ip, 8080] },
          ]),
        },
      },
    ],
  });

test('clients of a rule that stay with what is none of its endpoints are let go', () => {
  const targets = new Map([[7, makeRule({ clusterIPs: [], port: 80 }, [endpointAt(8080, '10.1.0.2')])]]);
  const text = listing([
    ['192.0.2.1', 7, '10.1.0.2'],
    ['192.0.2.2', 7, '10.1.0.3'],
    ['192.0.2.3', 8, '10.1.0.3'],
  ]);
  expect(staleAffinities(text, targets)).toEqual(['192.0.2.2 . 7']);
  expect(staleAffinities('{"nftables":[{"map":{"name":"affinity4"}}]}', targets)).toEqual([]);
});
