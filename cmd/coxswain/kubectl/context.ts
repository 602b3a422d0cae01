/** What every subcommand of `coxswain kubectl` is given, and the flags they share. */

import { UserError } from '#cmd/common/errors.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { type FlagTable, text, toggle } from '#pkg/component/flags.ts';
import type { KubeApi } from './api.ts';
import type { Discovery } from './discovery.ts';

export interface KubectlContext {
  readonly api: KubeApi;
  readonly discovery: Discovery;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Finished text for standard output. */
  print(text: string): void;
  /** A line for standard error, without its newline. */
  complain(line: string): void;
  readStdin(): Promise<string>;
}

/** Where the server is and in whose name. */
export const connectionFlags = {
  kubeconfig: text({ help: 'Kubeconfig file. Default: $KUBECONFIG, then ~/.kube/config.', placeholder: 'file' }),
  context: text({ help: 'Context of the kubeconfig.', placeholder: 'name' }),
  namespace: text({ help: 'Namespace of the objects.', short: 'n', placeholder: 'name' }),
} satisfies FlagTable;

export const outputFlag = text({
  help: 'Form of the output: json, yaml, name, wide or jsonpath=….',
  short: 'o',
  placeholder: 'form',
});
export const selectorFlag = text({
  help: 'Label selector, such as app=web,tier!=db.',
  short: 'l',
  placeholder: 'selector',
});
export const fieldSelectorFlag = text({
  help: 'Field selector, such as status.phase=Running.',
  placeholder: 'selector',
});
export const allNamespacesFlag = toggle({ help: 'All namespaces.', short: 'A' });

/** Refuses a value of `-o` that the command does not know. */
export function checkOutput(value: string, allowed: readonly string[]): void {
  if (value === '' || allowed.includes(value) || (value.startsWith('jsonpath=') && allowed.includes('jsonpath')))
    return;
  throw new UserError(
    `error: unable to match a printer suitable for the output format "${value}", allowed formats are: ${allowed.join(',')}`,
  );
}
