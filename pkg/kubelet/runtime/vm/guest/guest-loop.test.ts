import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { guestAddress, UserNetwork } from '#pkg/vmm/host/user-network.ts';
import { createMachine } from '#pkg/vmm/machine.ts';
import { GuestLoop } from './guest-loop.ts';
import { GuestWire } from './guest-wire.ts';

const kernel = readFileSync(new URL('../../../../vmm/guests/kernel/kernel.elf', import.meta.url));
const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
const question = Buffer.from('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
const port = 8080;

test('who asks again at once keeps nobody from being answered', async () => {
  const clock = new VirtualClock();
  const network = new UserNetwork(mac);
  const nothing = (): void => undefined;
  const loop = new GuestLoop({
    machine: createMachine({
      memory: 8 << 20,
      harts: 1,
      kernel,
      commandLine: `ip=${guestAddress}/24`,
      mac,
      engine: 'compile',
    }),
    network: new GuestWire(network),
    clock,
    onConsole: nothing,
    onPage: nothing,
    onSlice: nothing,
    onEnd: (stop) => expect.unreachable(stop.reason),
  });
  loop.wake();
  await clock.advance(100);
  const answers = [0, 0, 0, 0];
  let opened = 0;
  const connections = answers.map((_, at) =>
    network.connect(port, {
      opened: () => void opened++,
      data: (bytes) => {
        connections[at]?.consumed(bytes.length);
        answers[at] = (answers[at] ?? 0) + 1;
        if (Math.max(...answers) < 12) connections[at]?.write(question);
      },
      ended: nothing,
      drained: nothing,
      closed: (reason) => expect.unreachable(reason ?? 'closed'),
    }),
  );
  loop.wake();
  await clock.advance(100);
  expect(opened).toBe(answers.length);
  for (const connection of connections) connection?.write(question);
  loop.wake();
  await clock.advance(100);
  loop.stop();
  expect(Math.max(...answers)).toBe(12);
  expect(Math.min(...answers)).toBeGreaterThan(8);
});
