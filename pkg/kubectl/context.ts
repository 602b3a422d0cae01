/** What every subcommand of `coxswain kubectl` is given, and the flags they share. */

import type { Clock } from '#pkg/base/clock.ts';
import { type FlagTable, type FlagValues, integer, list, repeated, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { KubeApi } from './api.ts';
import type { Discovery } from './discovery.ts';
import type { Machine } from './machine.ts';

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
  readonly machine: Machine;
  /** Names of the flags that the command line has. */
  readonly given: ReadonlySet<string>;
  /** The words after `--`, which are the last of the arguments too; undefined without a `--`. */
  readonly afterDash: readonly string[] | undefined;
}

/** The arguments that stand before `--`. */
export function beforeDash(context: KubectlContext, args: readonly string[]): readonly string[] {
  return args.slice(0, args.length - (context.afterDash?.length ?? 0));
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
  cluster: text({ help: 'Cluster of the kubeconfig.', placeholder: 'name' }),
  user: text({ help: 'User of the kubeconfig.', placeholder: 'name' }),
  token: text({ help: 'Bearer token, in place of what the kubeconfig has.', placeholder: 'token' }),
  as: text({ help: 'User to act as.', placeholder: 'name' }),
  'as-group': repeated({ help: 'Group to act as.', placeholder: 'name' }),
  'as-uid': text({ help: 'UID to act as.', placeholder: 'uid' }),
  'certificate-authority': text({
    help: 'File of the certificates that the server is trusted by.',
    placeholder: 'file',
  }),
  'client-certificate': text({ help: 'File of the client certificate.', placeholder: 'file' }),
  'client-key': text({ help: 'File of its key.', placeholder: 'file' }),
  'insecure-skip-tls-verify': toggle({ help: 'Trust whatever certificate the server shows.' }),
  'tls-server-name': text({ help: 'Name that the certificate of the server has to have.', placeholder: 'name' }),
  'warnings-as-errors': toggle({ help: 'A warning of the server makes the command fail.' }),
  'cache-dir': text({ help: 'Taken and not used: nothing is kept.', placeholder: 'folder' }),
  v: integer({ help: 'Taken and not used: nothing is logged.', short: 'v', fallback: 0 }),
} satisfies FlagTable;

/** The values of those flags. */
export type ConnectionValues = FlagValues<typeof connectionFlags>;

/** Where objects are named by files. */
export const fileFlags = {
  filename: list({ help: 'Files, folders or addresses; - for standard input.', short: 'f', placeholder: 'file' }),
  kustomize: text({ help: 'Folder of a kustomization.', short: 'k', placeholder: 'folder' }),
  recursive: toggle({ help: 'Folders within folders too.', short: 'R' }),
} satisfies FlagTable;

/** `--output`. */
export const outputFlag = text({
  help: 'Form of the output: json, yaml, name, wide, jsonpath=…, go-template=… or custom-columns=….',
  short: 'o',
  placeholder: 'form',
});

/** How objects are printed. */
export const printFlags = {
  output: outputFlag,
  template: text({
    help: 'Template, or the file of it, for -o go-template, jsonpath and the like.',
    placeholder: 'text',
  }),
  'show-managed-fields': toggle({ help: 'Keep managedFields in json and yaml.' }),
  'allow-missing-template-keys': toggle({ help: 'A key that a template names may be missing.', fallback: true }),
} satisfies FlagTable;

/** `--dry-run`. */
export const dryRunFlag = text({
  help: 'Only say what would be done: none, server or client.',
  fallback: 'none',
  placeholder: 'none|server|client',
});

/** `--validate`. */
export const validateFlag = text({
  help: 'What unknown fields do: strict, warn or ignore.',
  fallback: 'strict',
  allowed: ['strict', 'warn', 'ignore', 'true', 'false'],
});

/** `--save-config`. */
export const saveConfigFlag = toggle({ help: 'Note the object as it is for a later apply.' });

/** `--field-manager`, with the name that the command has as a manager. */
export function managerFlag(name: string) {
  return text({ help: 'Name that owns the fields.', fallback: name, placeholder: 'name' });
}
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
const withArgument = [
  'custom-columns',
  'custom-columns-file',
  'go-template',
  'go-template-file',
  'jsonpath',
  'jsonpath-as-json',
  'jsonpath-file',
  'template',
  'templatefile',
];

/** The forms in which every command shows an object. */
export const objectForms = [
  'go-template',
  'go-template-file',
  'json',
  'jsonpath',
  'jsonpath-as-json',
  'jsonpath-file',
  'kyaml',
  'name',
  'template',
  'templatefile',
  'yaml',
];

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
