/** An image that answers the standard gRPC health question on the port that is its first argument: it serves. The stand-in for agnhost answers it too. */
import { createServer } from 'node:http2';
import type { Program, ProgramContext } from '#pkg/kubelet/runtime/inprocess/program.ts';

/** A frame of two bytes: field 1 is 1, `SERVING`, or 2, `NOT_SERVING`. */
const answerOf = (isServing: boolean): Buffer => Buffer.from([0, 0, 0, 0, 2, 8, isServing ? 1 : 2]);

/** Answers for as long as the program lives. */
export function serveGrpcHealth(context: ProgramContext, port: number, isServing: () => boolean): void {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'application/grpc' });
    response.addTrailers({ 'grpc-status': '0' });
    response.end(answerOf(isServing()));
  }).listen(port, context.ip);
  context.signal.addEventListener('abort', () => server.close());
}

export const program: Program = {
  main(context) {
    serveGrpcHealth(context, Number(context.args[0]), () => true);
    return undefined;
  },
};
