/** A process in a network namespace that serves and asks for a test, which tells it what to do: run by `peer.ts`. */
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import type { AgentAnswer, AgentOrder } from './peer.ts';

function serve(order: AgentOrder): Promise<string> {
  const { protocol, host, port, text = '' } = order;
  return new Promise((resolve) => {
    if (protocol === 'UDP') {
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
      socket.on('message', (_, from) => socket.send(`${text} ${from.address}`, from.port, from.address));
      socket.bind(port, host, () => resolve('listening'));
      return;
    }
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.end(`${text} ${socket.remoteAddress}`);
    });
    server.listen(port, host, () => resolve('listening'));
  });
}

/** What the other side says, the code of the error, or `silence` after `waitMs`. */
function ask({ protocol, host, port, waitMs = 0 }: AgentOrder): Promise<string> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => finish('silence'), waitMs);
    let end = (): void => {};
    const finish = (answer: string): void => {
      clearTimeout(timer);
      end();
      resolve(answer);
    };
    if (protocol === 'UDP') {
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
      end = () => socket.close();
      socket.on('message', (data) => finish(String(data)));
      socket.on('error', (error) => finish(error.message));
      socket.connect(port, host, () => socket.send('?'));
      return;
    }
    const socket = connect({ host, port });
    end = () => socket.destroy();
    let text = '';
    socket.on('data', (data) => {
      text += data;
    });
    socket.on('end', () => finish(text));
    socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
  });
}

process.on('message', (order: AgentOrder) => {
  void (order.what === 'serve' ? serve(order) : ask(order)).then((text) => {
    const answer: AgentAnswer = { id: order.id, text };
    process.send?.(answer);
  });
});
process.on('disconnect', () => process.exit());
