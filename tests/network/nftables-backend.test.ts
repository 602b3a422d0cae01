/** The nftables backend in the kernel. The suite has a network namespace of its own (`tests/run.ts`), of which this file makes addresses. */
import { execFileSync } from 'node:child_process';
import { beforeAll } from 'vitest';
import { silentLogger } from '#pkg/base/logger.ts';
import { createNftablesBackend } from '#pkg/proxy/backends/nftables/nftables-backend.ts';
import { backendConformance } from '#pkg/proxy/conformance.ts';

const [clusterIp, nodeIp, endpointIp] = ['10.77.0.1', '10.77.1.1', '10.77.2.1'];

beforeAll(() => {
  execFileSync('ip', ['-batch', '-'], {
    input: 'link set lo up\naddr add 10.77.1.1/32 dev lo\nroute replace local 10.77.0.0/16 dev lo src 10.77.1.1\n',
  });
});

let nextPort = 2_000;

backendConformance('nftables', {
  make: async () =>
    createNftablesBackend({
      log: silentLogger,
      tableName: 'conformance',
      podRanges: [],
      serviceRanges: ['10.77.0.0/24'],
      nodePortAddresses: [nodeIp],
      keepsRules: false,
    }),
  clusterIp,
  nodeIp,
  endpointIp,
  freePort: () => nextPort++,
  carriesConnections: false,
});
