/** The controller manager as a process of its own. */
import { keepCompiledCode } from '#cmd/common/load-code.js';
import { processMain } from '#cmd/common/process-main.ts';
import { controllerManagerFlags } from './options.ts';

keepCompiledCode();
await processMain({
  name: 'kube-controller-manager',
  summary: 'The loops that make the cluster what its objects say.',
  flags: controllerManagerFlags,
  wire: async (values, context) => (await import('./wiring.ts')).wireControllerManager(values, context),
});
