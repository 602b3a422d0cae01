/** cluster-dns as a process of its own. */
import { keepCompiledCode } from '#cmd/common/load-code.js';
import { processMain } from '#cmd/common/process-main.ts';
import { dnsFlags } from './options.ts';

keepCompiledCode();
await processMain({
  name: 'cluster-dns',
  summary: 'Answers for the names of Services and pods.',
  flags: dnsFlags,
  wire: async (values, context) => (await import('./wiring.ts')).wireDns(values, context),
});
