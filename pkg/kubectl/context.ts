/** What every subcommand of `coxswain kubectl` is given, and the flags they share. */

import type { Clock } from '#pkg/base/clock.ts';
import { type FlagTable, list, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { KubeApi } from './api.ts';
import type { Discovery } from './discovery.ts';

/** The connection, the streams and the environment of one run. */
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
  server: text({ help: 'Address of the server, in place of that of the kubeconfig.', short: 's', placeholder: 'URL' }),
  'request-timeout': text({
    help: 'Longest wait for an answer, such as 5s; 0 for no limit.',
    fallback: '0',
    placeholder: 'time',
  }),
  namespace: text({ help: 'Namespace of the objects.', short: 'n', placeholder: 'name' }),
} satisfies FlagTable;

/** Where objects are named by files. */
export const fileFlags = {
  filename: list({ help: 'Files, folders or addresses; - for standard input.', short: 'f', placeholder: 'file' }),
  recursive: toggle({ help: 'Folders within folders too.', short: 'R' }),
} satisfies FlagTable;

/** `--output`. */
export const outputFlag = text({
  help: 'Form of the output: json, yaml, name, wide, jsonpath=… or custom-columns=….',
  short: 'o',
  placeholder: 'form',
});
/** `--selector`. */
export const selectorFlag = text({
  help: 'Label selector, such as app=web,tier!=db.',
  short: 'l',
  placeholder: 'selector',
});
/** `--field-selector`. */
export const fieldSelectorFlag = text({
  help: 'Field selector, such as status.phase=Running.',
  placeholder: 'selector',
});
/** `--all-namespaces`. */
export const allNamespacesFlag = toggle({ help: 'All namespaces.', short: 'A' });

/** Forms of output that need an argument after an equals sign. */
const withArgument = ['custom-columns', 'jsonpath', 'jsonpath-as-json'];

/** Refuses a value of `-o` that the command does not know. */
export function checkOutput(value: string, allowed: readonly string[]): void {
  const [form = '', argument = ''] = value.split('=', 2);
  if (value === '') return;
  if (allowed.includes(form)) {
    if (withArgument.includes(form) === (argument !== '')) return;
    if (form === 'custom-columns')
      throw new UserError('error: custom-columns format specified but no custom columns given');
    if (argument === '') throw new UserError('error: template format specified but no template given');
  }
  throw new UserError(
    `error: unable to match a printer suitable for the output format "${value}", allowed formats are: ${allowed.join(',')}`,
  );
}
