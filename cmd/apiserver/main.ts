/** The API server as a process of its own. */
import { keepCompiledCode } from '#cmd/common/load-code.js';
import { processMain } from '#cmd/common/process-main.ts';
import { apiServerFlags } from './options.ts';

keepCompiledCode();
await processMain({
  name: 'kube-apiserver',
  summary: 'The Kubernetes API over a revisioned key-value store.',
  flags: apiServerFlags,
  wire: async (values, context) => (await import('./wiring.ts')).wireApiServer(values, context),
});
