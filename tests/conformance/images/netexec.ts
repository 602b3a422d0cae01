/** An image that says its host name to whoever asks, over TCP (HTTP) and UDP on the port that is its first argument. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';
import type { Program } from '#pkg/kubelet/runtime/inprocess/program.ts';

export const program: Program = {
  main(context) {
    const port = Number(context.args[0]);
    const server = createServer((_request, response) => response.end(context.hostname)).listen(port, context.ip);
    const socket = createSocket('udp4', (_data, from) => socket.send(context.hostname, from.port, from.address));
    socket.bind(port, context.ip);
    context.signal.addEventListener('abort', () => {
      server.close();
      server.closeAllConnections();
      socket.close();
    });
    return undefined;
  },
};
