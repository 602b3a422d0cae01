import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { BytePipe } from '#pkg/base/byte-pipe.ts';
import { carryBoth } from './port-target.ts';

test('what a port says before it is asked arrives, though its connection was stopped until somebody takes it', async () => {
  const socket = new PassThrough();
  socket.pause();
  socket.write('greeting');
  const input = new BytePipe();
  let text = '';
  const carried = carryBoth(socket, {
    input,
    write(bytes) {
      text += Buffer.from(bytes).toString();
      // It has said all; nothing of the client's is awaited.
      input.end();
      return undefined;
    },
    end() {},
  });
  await carried;
  expect(text).toBe('greeting');
});
