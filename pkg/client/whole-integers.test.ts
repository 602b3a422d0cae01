import { expect, test } from 'vitest';
import { bodyObject } from './body-object.ts';
import { watchEventBatches } from './watch-lines.ts';

const object = '{"kind":"Pod","metadata":{"name":"a"},"spec":{"terminationGracePeriodSeconds":9007199254740993}}';
const whole = { spec: { terminationGracePeriodSeconds: 9007199254740993n } };

test('objects from another process have integers of 64 bits as they are, so that what is written back has them too', async () => {
  const bytes = Buffer.from(object);
  expect(await bodyObject({ status: 200, headers: {}, body: { kind: 'bytes', bytes } })).toMatchObject(whole);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(`{"type":"ADDED","object":${object}}\n`);
  }
  const batches = await Array.fromAsync(watchEventBatches(chunks()));
  expect(batches).toMatchObject([[{ type: 'ADDED', object: whole }]]);
});
