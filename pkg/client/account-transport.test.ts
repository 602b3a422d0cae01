import { expect, test } from 'vitest';
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import { notFound } from '#pkg/apimachinery/status-error.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { accountTransport } from './account-transport.ts';
import type { Client } from './client.ts';

/** An account that is not there at first, and a server that refuses the tokens of `refused`. */
function setUp() {
  const clock = new VirtualClock();
  const done: string[] = [];
  const refused = new Set<string>();
  let isThere = false;
  let tokens = 0;
  const resource = {
    create: async () => {
      isThere = true;
      done.push('account');
    },
    createSubresource: async () => {
      if (!isThere) throw notFound({ group: '', resource: 'serviceaccounts' }, 'robot');
      tokens++;
      return { status: { token: `t${tokens}` } };
    },
  };
  const transport = {
    request: async ({ headers }: ApiRequest) => {
      const shown = headers.authorization ?? '';
      done.push(shown);
      return {
        status: refused.has(shown) ? 401 : 200,
        headers: {},
        body: { kind: 'bytes', bytes: new Uint8Array() },
      } as const;
    },
  };
  const client = { resource: () => resource } as unknown as Client;
  const account = accountTransport({ client, transport, clock, namespace: 'kube-system', name: 'robot' });
  const { signal } = new AbortController();
  const ask = (): Promise<number> =>
    account
      .request({ method: 'GET', path: '/', query: '', headers: {}, peer: { address: '' }, signal })
      .then(({ status }) => status);
  return { clock, done, refused, ask };
}

test('the account is made when it is missing, and a token serves until most of its life has passed', async () => {
  const { clock, done, ask } = setUp();
  await Promise.all([ask(), ask()]);
  expect(done).toEqual(['account', 'Bearer t1', 'Bearer t1']);
  await clock.advance(44 * 60_000);
  await ask();
  await clock.advance(60_000);
  await ask();
  expect(done.slice(3)).toEqual(['Bearer t1', 'Bearer t2']);
});

test('a token that is refused is not shown again', async () => {
  const { done, refused, ask } = setUp();
  refused.add('Bearer t1');
  expect([await ask(), await ask()]).toEqual([401, 200]);
  expect(done).toEqual(['account', 'Bearer t1', 'Bearer t2']);
});
