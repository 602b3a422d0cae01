/** The image `coxswain.dev/gateway`: the proxy and its controller in one program, in the pod of the addon. `/readyz` at port 8080 says whether it serves. */
import { createServer, type Server } from 'node:http';
import { aborted, sleep } from '#pkg/base/async.ts';
import type { Program, ProgramContext } from '#pkg/kubelet/runtime/inprocess/program.ts';
import { podDeps, podTransport } from '../program-parts.ts';
import { createGatewayController } from './controller.ts';
import { gatewayNamespace, gatewaySelector, healthPort } from './places.ts';
import { GatewayProxy } from './proxy/server.ts';

/** Clients are still sent here until everybody has heard that this pod goes. */
const drainMs = 3_000;

/** The image's program. */
export const program: Program = {
  async main(context) {
    const transport = podTransport(context);
    const deps = podDeps(context, transport);
    const proxy = new GatewayProxy({ ...deps, address: context.ip });
    let isReady = false;
    const health = await serveHealth(context, () => isReady);
    const controller = createGatewayController({
      deps,
      proxy,
      namespace: gatewayNamespace,
      selector: gatewaySelector,
      onReady: () => {
        isReady = true;
        context.log('serving');
      },
    });
    try {
      await Promise.all([deps.informers.run(context.signal), controller.run(context.signal), aborted(context.signal)]);
      isReady = false;
      await sleep(context.clock, drainMs);
    } finally {
      health.close();
      await proxy.close();
      await transport.close();
    }
    return 0;
  },
};

function serveHealth({ ip }: ProgramContext, isReady: () => boolean): Promise<Server> {
  const server = createServer((_, response) => {
    response.writeHead(isReady() ? 200 : 503, { 'content-type': 'text/plain' }).end(isReady() ? 'ok' : 'not ready');
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(healthPort, ip, () => resolve(server));
  });
}
