/** The port of the dashboard, apart from what answers there: a cluster has it from its start, and loads the rest when it is first asked for. */
import type { Server } from 'node:http';
import { createServer } from '#pkg/serving/node-http.ts';

/** The dashboard is of this machine alone. */
export const dashboardHost = '127.0.0.1';

/** Listens on a port, 0 for any that is free. Rejects where it is taken. */
export function listenForDashboard(port: number): Promise<Server> {
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 60_000 });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, dashboardHost, () => {
      server.off('error', reject);
      resolve(server);
    });
  });
}

/** The port of a server that listens. */
export function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Where it answers. */
export function dashboardAddress(server: Server): string {
  return `http://${dashboardHost}:${portOf(server)}/`;
}
