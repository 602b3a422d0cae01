import { serveForTest } from '#pkg/serving/test-server.ts';
import { transportConformance } from './conformance.ts';
import { inProcessTransport } from './in-process-transport.ts';
import { networkTransport } from './network-transport.ts';

transportConformance('network', {
  async serve(handler) {
    const server = await serveForTest(handler);
    const transport = networkTransport({ server: `https://127.0.0.1:${server.port}`, insecure: true });
    return {
      transport,
      async close() {
        await transport.close();
        await server.close();
      },
    };
  },
});

transportConformance('in process', {
  serve: async (handler) => ({
    transport: inProcessTransport(handler, { commonName: 'test', organizations: [] }),
    close: async () => {},
  }),
});
