/** That a request for which nothing has to be waited for is answered without a turn of the event loop, as components of one process ask often. */
import { expect, test } from 'vitest';
import type { AdmissionPlugin } from './strategy.ts';
import { startTestServer, type TestServer } from './testing/test-server.ts';

const maps = '/api/v1/namespaces/default/configmaps';

/** The turns of promises that pass before the answer to a change of the object is there. */
async function turnsOfUpdate({ raw, call }: TestServer): Promise<number> {
  const made = await call('POST', maps, { object: { metadata: { name: 'a' }, data: { x: '1' } } });
  let status = 0;
  void raw('PUT', `${maps}/a`, { object: { ...made.body, data: { x: '2' } } }).then((answer) => {
    ({ status } = answer);
  });
  let turns = 0;
  for (; status === 0 && turns < 1_000; turns++) await Promise.resolve();
  expect(status).toBe(200);
  return turns;
}

test('an update is answered at once, with plugins of admission that need not wait too', async () => {
  const asked: string[] = [];
  const plugin: AdmissionPlugin = {
    name: 'Test',
    handles: () => true,
    admit: ({ operation }) => void asked.push(`admit ${operation}`),
    validate: ({ operation }) => void asked.push(`validate ${operation}`),
  };
  expect(await turnsOfUpdate(await startTestServer({ admission: [plugin] }))).toBe(1);
  expect(asked).toEqual(['admit CREATE', 'validate CREATE', 'admit UPDATE', 'validate UPDATE']);
});

test('a create is answered at once too', async () => {
  const { raw } = await startTestServer({ admission: [{ name: 'Test', handles: () => true, admit: () => undefined }] });
  // The first write waits for the watch cache to be filled.
  await raw('POST', maps, { object: { metadata: { name: 'first' } } });
  let status = 0;
  void raw('POST', maps, { object: { metadata: { name: 'a' } } }).then((answer) => {
    ({ status } = answer);
  });
  await Promise.resolve();
  expect(status).toBe(201);
});

test('plugins that wait are waited for, one after the other', async () => {
  const asked: string[] = [];
  const plugin = (name: string): AdmissionPlugin => ({
    name,
    handles: ({ operation }) => operation === 'UPDATE',
    validate: async () => {
      asked.push(`${name} begins`);
      await Promise.resolve();
      asked.push(`${name} ends`);
    },
  });
  expect(await turnsOfUpdate(await startTestServer({ admission: [plugin('a'), plugin('b')] }))).toBeGreaterThan(1);
  expect(asked).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
});
