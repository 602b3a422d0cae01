/** A server on this machine alone, for a test: who listens as a registry, a server of tokens, or one that is ill. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getBuiltinModule } from 'node:process';
import { onTestFinished } from 'vitest';

const { createServer } = getBuiltinModule('node:http');

/** Answers requests until the test ends; resolves with its host and port. */
export async function serveForTest(
  handler: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('server has no address');
  return `127.0.0.1:${address.port}`;
}
