/** `config`: what a kubeconfig holds, shown and changed. Source: kubectl `cmd/config`, client-go `tools/clientcmd`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { yamlText } from '#pkg/apimachinery/yaml-text.ts';
import { type FlagTable, type FlagValues, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digMap, digText } from './api.ts';
import { type ConfigFile, entriesOf, readConfig, removeEntry, setEntry, writeConfig } from './config-file.ts';
import { configSetters } from './config-set.ts';
import type { KubectlContext } from './context.ts';
import { UsageError } from './errors.ts';
import { renderObject } from './output.ts';
import { sortedJson } from './sorted-json.ts';
import { group, type Subcommand } from './subcommand.ts';
import { TableLayout } from './tables.ts';

const viewFlags = {
  flatten: toggle({ help: 'With files of certificates and keys in it.' }),
  minify: toggle({ help: 'Only what the current context uses.' }),
  raw: toggle({ help: 'With secrets.' }),
  merge: toggle({ help: 'Taken and not used.', fallback: true }),
  output: text({
    help: 'Form of the output: yaml, json or jsonpath=….',
    short: 'o',
    fallback: 'yaml',
    placeholder: 'form',
  }),
} satisfies FlagTable;

const listFlags = {
  'no-headers': toggle({ help: 'Leave out the line of headers.' }),
  output: text({ help: 'Form of the output: name.', short: 'o', placeholder: 'name' }),
} satisfies FlagTable;

type Base = { readonly namespace: string; readonly kubeconfig: string; readonly context: string };
type Run<V> = (context: KubectlContext, values: V & Base, args: readonly string[]) => Promise<number>;

function local<V>(summary: string, usage: string, flags: FlagTable, run: Run<V>): Subcommand {
  return { summary, usage, flags, run, isLocal: true };
}

/** The command and those within it. */
export const configCommand: Subcommand = {
  ...group('config', 'Modify kubeconfig files.', {
    'current-context': local<object>('Display the current context.', 'current-context', {}, currentContext),
    'delete-cluster': local<object>('Delete a cluster.', 'delete-cluster NAME', {}, deleter('clusters', 'cluster')),
    'delete-context': local<object>('Delete a context.', 'delete-context NAME', {}, deleter('contexts', 'context')),
    'delete-user': local<object>('Delete a user.', 'delete-user NAME', {}, deleter('users', 'user')),
    'get-clusters': local<object>('Display the clusters.', 'get-clusters', {}, lister('clusters')),
    'get-contexts': local('Describe one or many contexts.', 'get-contexts [NAME]', listFlags, getContexts),
    'get-users': local<object>('Display the users.', 'get-users', {}, lister('users')),
    'rename-context': local<object>('Rename a context.', 'rename-context OLD NEW', {}, renameContext),
    ...configSetters,
    'use-context': local<object>('Set the current context.', 'use-context NAME', {}, useContext),
    view: local('Display the settings.', 'view', viewFlags, view),
  }),
  isLocal: true,
};

async function currentContext(context: KubectlContext, values: Base): Promise<number> {
  const name = digText(readConfig(context, values).config, 'current-context');
  if (name === '') throw new UserError('error: current-context is not set');
  context.print(`${name}\n`);
  return 0;
}

function lister(field: 'clusters' | 'users'): Run<object> {
  return async (context, values) => {
    const names = entriesOf(readConfig(context, values).config, field).map(({ name }) => name);
    context.print(
      `NAME\n${names
        .toSorted()
        .map((name) => `${name}\n`)
        .join('')}`,
    );
    return 0;
  };
}

async function getContexts(
  context: KubectlContext,
  values: FlagValues<typeof listFlags> & Base,
  args: readonly string[],
): Promise<number> {
  const { config } = readConfig(context, values);
  const all = entriesOf(config, 'contexts').toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const missing = args.filter((name) => !all.some((one) => one.name === name));
  if (missing.length > 0) throw new UserError(`error: context ${missing[0]} not found`);
  const found = args.length === 0 ? all : all.filter(({ name }) => args.includes(name));
  if (values.output === 'name') {
    for (const { name } of found) context.print(`${name}\n`);
    return 0;
  }
  const current = digText(config, 'current-context');
  const rows = found.map(({ name, value }) => [
    name === current ? '*' : '',
    name,
    digText(value, 'cluster'),
    digText(value, 'user'),
    digText(value, 'namespace'),
  ]);
  const headers = ['CURRENT', 'NAME', 'CLUSTER', 'AUTHINFO', 'NAMESPACE'];
  context.print(new TableLayout().render(values['no-headers'] ? rows : [headers, ...rows]));
  return 0;
}

function onlyArgument(args: readonly string[], what: string): string {
  const [name = ''] = args;
  if (args.length !== 1) throw new UsageError(`error: ${what}`);
  return name;
}

function deleter(field: 'clusters' | 'contexts' | 'users', what: string): Run<object> {
  return async (context, values, args) => {
    const name = onlyArgument(args, `you must specify a ${what}`);
    const file = readConfig(context, values);
    if (!entriesOf(file.config, field).some((one) => one.name === name))
      throw new UserError(`error: cannot delete ${what} ${name}, not in ${file.path}`);
    if (field === 'contexts' && digText(file.config, 'current-context') === name)
      context.complain(
        'warning: this removed your active context, use "kubectl config use-context" to select a different one',
      );
    writeConfig({ ...file, config: removeEntry(file.config, field, name) });
    context.print(`deleted ${what} ${name} from ${file.path}\n`);
    return 0;
  };
}

async function useContext(context: KubectlContext, values: Base, args: readonly string[]): Promise<number> {
  const name = onlyArgument(args, 'you must specify a context name');
  const file = readConfig(context, values);
  if (!entriesOf(file.config, 'contexts').some((one) => one.name === name))
    throw new UserError(`error: no context exists with the name: ${JSON.stringify(name)}`);
  writeConfig({ ...file, config: { ...file.config, 'current-context': name } });
  context.print(`Switched to context ${JSON.stringify(name)}.\n`);
  return 0;
}

async function renameContext(context: KubectlContext, values: Base, args: readonly string[]): Promise<number> {
  const [from = '', to = ''] = args;
  if (args.length !== 2) throw new UsageError('error: you must specify the old and the new name');
  const file = readConfig(context, values);
  const found = entriesOf(file.config, 'contexts').find((one) => one.name === from);
  if (found === undefined)
    throw new UserError(`error: cannot rename the context ${JSON.stringify(from)}, it's not in ${file.path}`);
  if (entriesOf(file.config, 'contexts').some((one) => one.name === to))
    throw new UserError(
      `error: cannot rename the context ${JSON.stringify(from)}, the context ${JSON.stringify(to)} already exists in ${file.path}`,
    );
  const renamed = setEntry(removeEntry(file.config, 'contexts', from), 'contexts', { name: to, value: found.value });
  const isCurrent = digText(file.config, 'current-context') === from;
  writeConfig({ ...file, config: isCurrent ? { ...renamed, 'current-context': to } : renamed });
  context.print(`Context ${JSON.stringify(from)} renamed to ${JSON.stringify(to)}.\n`);
  return 0;
}

async function view(context: KubectlContext, values: FlagValues<typeof viewFlags> & Base): Promise<number> {
  const file = readConfig(context, values);
  const whole = values.minify ? minified(file, values.context) : file.config;
  const flat = values.flatten ? flattened(file, whole) : whole;
  const shown = values.raw ? flat : hidden(flat);
  const config: JsonObject = {
    clusters: null,
    contexts: null,
    'current-context': '',
    users: null,
    ...shown,
    apiVersion: 'v1',
    kind: 'Config',
  };
  const sorted: JsonObject = JSON.parse(sortedJson(config));
  if (values.output === 'yaml') context.print(yamlText(sorted));
  else context.print(renderObject(values.output, sorted));
  return 0;
}

function minified({ config }: ConfigFile, asked: string): JsonObject {
  const name = asked || digText(config, 'current-context');
  const found = entriesOf(config, 'contexts').find((one) => one.name === name);
  if (found === undefined) throw new UserError(`error: cannot locate context ${name}`);
  const only = (field: 'clusters' | 'users', wanted: string): JsonObject[] =>
    entriesOf(config, field)
      .filter((one) => one.name === wanted)
      .map((one) => ({ name: one.name, [field.slice(0, -1)]: one.value }));
  return {
    ...config,
    clusters: only('clusters', digText(found.value, 'cluster')),
    users: only('users', digText(found.value, 'user')),
    contexts: [{ name, context: found.value }],
    'current-context': name,
  };
}

/** Secrets are not shown. */
function hidden(config: JsonObject): JsonObject {
  const clusters = entriesOf(config, 'clusters').map(({ name, value }) => ({
    name,
    cluster: masked(value, { 'certificate-authority-data': 'DATA+OMITTED' }),
  }));
  const users = entriesOf(config, 'users').map(({ name, value }) => ({
    name,
    user: masked(value, {
      'client-certificate-data': 'DATA+OMITTED',
      'client-key-data': 'DATA+OMITTED',
      token: 'REDACTED',
      password: 'REDACTED',
    }),
  }));
  return { ...config, clusters, users };
}

function masked(value: JsonObject, words: Readonly<Record<string, string>>): JsonObject {
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, Object.hasOwn(words, key) ? words[key] : one]),
  );
}

function flattened(file: ConfigFile, config: JsonObject): JsonObject {
  const clusters = entriesOf(config, 'clusters').map(({ name, value }) => ({
    name,
    cluster: file.withData(digMap({ value }, 'value'), ['certificate-authority']),
  }));
  const users = entriesOf(config, 'users').map(({ name, value }) => ({
    name,
    user: file.withData(value, ['client-certificate', 'client-key']),
  }));
  return { ...config, clusters, users };
}
