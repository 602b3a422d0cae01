/** An image that answers the standard gRPC health question on the port that is its first argument: it serves. */
import { createServer } from 'node:http2';
import type { Program } from '#pkg/kubelet/runtime/inprocess/program.ts';

/** A frame of two bytes: field 1 is 1, `SERVING`. */
const serving = Buffer.from([0, 0, 0, 0, 2, 8, 1]);

export const program: Program = {
  main(context) {
    const server = createServer((request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'application/grpc' });
      response.addTrailers({ 'grpc-status': '0' });
      response.end(serving);
    }).listen(Number(context.args[0]), context.ip);
    context.signal.addEventListener('abort', () => server.close());
    return undefined;
  },
};
