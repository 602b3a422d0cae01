/** The scheduler as a process of its own. */
import { keepCompiledCode } from '#cmd/common/load-code.js';
import { processMain } from '#cmd/common/process-main.ts';
import { schedulerFlags } from './options.ts';

keepCompiledCode();
await processMain({
  name: 'kube-scheduler',
  summary: 'Binds pods to nodes, packing them onto as few as their constraints allow.',
  flags: schedulerFlags,
  // As upstream's scheduler takes it; a file of flags is told apart by its kind.
  documents: { KubeSchedulerConfiguration: 'scheduler-config' },
  wire: async (values, context) => (await import('./wiring.ts')).wireScheduler(values, context),
});
