/** The kubelet as a process of its own. */
import { keepCompiledCode } from '#cmd/common/load-code.js';
import { processMain } from '#cmd/common/process-main.ts';
import { stopMsMaxOf } from '#pkg/cluster/shutdown-flags.ts';
import { kubeletFlags } from './options.ts';

keepCompiledCode();
await processMain({
  name: 'kubelet',
  summary: 'Runs the pods of one node.',
  flags: kubeletFlags,
  stopMsMax: stopMsMaxOf,
  wire: async (values, context) => (await import('./wiring.ts')).wireKubelet(values, context),
});
