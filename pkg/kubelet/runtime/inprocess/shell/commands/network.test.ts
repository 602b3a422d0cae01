import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { testContainer } from '../testing.ts';

test('curl comes from the address that --interface names', async () => {
  const server = createServer((request, response) => {
    const { method, socket } = request;
    response.writeHead(201, { 'x-a': '1' }).end(`${method} ${socket.remoteAddress}`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const container = testContainer();
  const url = `http://127.0.0.1:${port}/`;
  const curl = (...words: readonly string[]) => container.run(['curl', '-g', ...words]);
  expect(await curl('--interface', '127.0.0.5', url)).toEqual({ exitCode: 0, stdout: 'GET 127.0.0.5', stderr: '' });
  const posted = await curl('-i', '--interface', '127.0.0.6', '-d', 'x', url);
  expect(posted.stdout).toMatch(/^HTTP\/1.1 201 Created\r\n(.*\r\n)*x-a: 1\r\n(.*\r\n)*\r\nPOST 127.0.0.6$/);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  // Port 1 is nobody's.
  expect(await curl('--interface', '127.0.0.5', 'http://127.0.0.1:1/')).toMatchObject({
    exitCode: 7,
    stderr: expect.stringContaining('Connection refused'),
  });
  container.remove();
});
