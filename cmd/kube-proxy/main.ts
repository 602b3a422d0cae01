/** kube-proxy as a process of its own. */
import { keepCompiledCode } from '#cmd/common/load-code.js';
import { processMain } from '#cmd/common/process-main.ts';
import { proxyFlags } from './options.ts';

keepCompiledCode();
await processMain({
  name: 'kube-proxy',
  summary: 'Carries the traffic of Services to their endpoints.',
  flags: proxyFlags,
  wire: async (values, context) => (await import('./wiring.ts')).wireProxy(values, context),
});
