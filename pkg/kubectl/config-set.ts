/** `config set`, `unset`, `set-cluster`, `set-context` and `set-credentials`. Source: kubectl `cmd/config`. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setOwn } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type FlagTable, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digText } from './api.ts';
import { type ConfigList, entriesOf, readConfig, setEntry, writeConfig } from './config-file.ts';
import type { KubectlContext } from './context.ts';
import { UsageError } from './errors.ts';
import type { Commands, Subcommand } from './subcommand.ts';

const clusterFlags = {
  server: text({ help: 'Address of the server.', short: 's', placeholder: 'URL' }),
  'certificate-authority': text({ help: 'File of the certificates that it is trusted by.', placeholder: 'file' }),
  'embed-certs': toggle({ help: 'Put the files into the kubeconfig.' }),
  'insecure-skip-tls-verify': toggle({ help: 'Trust whatever certificate the server shows.' }),
  'proxy-url': text({ help: 'Address of a proxy.', placeholder: 'URL' }),
  'tls-server-name': text({ help: 'Name that the certificate of the server has to have.', placeholder: 'name' }),
} satisfies FlagTable;

const contextFlags = {
  current: toggle({ help: 'The current context.' }),
  cluster: text({ help: 'Its cluster.', placeholder: 'name' }),
  namespace: text({ help: 'Its namespace.', short: 'n', placeholder: 'name' }),
  user: text({ help: 'Its user.', placeholder: 'name' }),
} satisfies FlagTable;

const userFlags = {
  'client-certificate': text({ help: 'File of the certificate.', placeholder: 'file' }),
  'client-key': text({ help: 'File of its key.', placeholder: 'file' }),
  'embed-certs': toggle({ help: 'Put the files into the kubeconfig.' }),
  password: text({ help: 'Password.', placeholder: 'password' }),
  token: text({ help: 'Bearer token.', placeholder: 'token' }),
  username: text({ help: 'User of the password.', placeholder: 'name' }),
} satisfies FlagTable;

type Values = Readonly<Record<string, unknown>> & { readonly kubeconfig: string };

/** The commands. */
export const configSetters: Commands = {
  set: { summary: 'Set a value.', usage: 'set NAME VALUE', flags: {}, run: setValue, isLocal: true },
  'set-cluster': setter('clusters', clusterFlags, ['certificate-authority']),
  'set-context': setter('contexts', contextFlags, []),
  'set-credentials': setter('users', userFlags, ['client-certificate', 'client-key']),
  unset: { summary: 'Unset a value.', usage: 'unset NAME', flags: {}, run: unsetValue, isLocal: true },
};

function setter(list: ConfigList, flags: FlagTable, files: readonly string[]): Subcommand {
  const what = { clusters: 'Cluster', contexts: 'Context', users: 'User' }[list];
  const command = { clusters: 'set-cluster', contexts: 'set-context', users: 'set-credentials' }[list];
  return {
    summary: `Set a ${what.toLowerCase()}.`,
    usage: `${command} NAME`,
    flags,
    isLocal: true,
    run: async (context: KubectlContext, values: Values, args: readonly string[]) => {
      const file = readConfig(context, values);
      const name = values.current === true ? digText(file.config, 'current-context') : (args[0] ?? '');
      if (name === '' || args.length > 1) throw new UsageError(`error: Unexpected args: [${args.join(' ')}]`);
      const old = entriesOf(file.config, list).find((one) => one.name === name);
      const value: JsonObject = { ...old?.value };
      for (const flag of Object.keys(flags)) {
        if (!context.given.has(flag) || flag === 'current' || flag === 'embed-certs') continue;
        const path = files.includes(flag) ? resolve(String(values[flag])) : values[flag];
        if (values['embed-certs'] === true && files.includes(flag)) {
          value[`${flag}-data`] = readEmbedded(String(path));
          delete value[flag];
        } else if (path === '') delete value[flag];
        else setOwn(value, flag, path);
      }
      writeConfig({ path: file.path, config: setEntry(file.config, list, { name, value }) });
      const done = old === undefined && list === 'contexts' ? 'created' : list === 'contexts' ? 'modified' : 'set';
      context.print(`${what} ${JSON.stringify(name)} ${done}.\n`);
      return 0;
    },
  };
}

function readEmbedded(path: string): string {
  try {
    return readFileSync(path).toString('base64');
  } catch (error) {
    throw new UserError(`error: could not read ${path}: no such file or directory`, error);
  }
}

interface Step {
  readonly list: ConfigList | undefined;
  readonly name: string;
  readonly field: string;
}

function stepsOf(path: string): Step {
  for (const list of ['clusters', 'contexts', 'users'] as const) {
    if (path === list || !path.startsWith(`${list}.`)) continue;
    const rest = path.slice(list.length + 1).replaceAll('\\.', '\u0000');
    const dot = rest.lastIndexOf('.');
    const plain = (text: string): string => text.replaceAll('\u0000', '.');
    return dot < 0
      ? { list, name: plain(rest), field: '' }
      : { list, name: plain(rest.slice(0, dot)), field: plain(rest.slice(dot + 1)) };
  }
  return { list: undefined, name: '', field: path };
}

async function setValue(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  const [path = '', value = ''] = args;
  if (args.length !== 2) throw new UsageError(`error: Unexpected args: [${args.join(' ')}]`);
  const file = readConfig(context, values);
  const { list, name, field } = stepsOf(path);
  const typed = value === 'true' || value === 'false' ? value === 'true' : value;
  if (list === undefined) writeConfig({ path: file.path, config: { ...file.config, [field]: typed } });
  else {
    const old = entriesOf(file.config, list).find((one) => one.name === name)?.value ?? {};
    writeConfig({ path: file.path, config: setEntry(file.config, list, { name, value: { ...old, [field]: typed } }) });
  }
  context.print(`Property ${JSON.stringify(path)} set.\n`);
  return 0;
}

async function unsetValue(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  const [path = ''] = args;
  if (args.length !== 1) throw new UsageError(`error: Unexpected args: [${args.join(' ')}]`);
  const file = readConfig(context, values);
  const { list, name, field } = stepsOf(path);
  if (list === undefined) {
    const { [field]: _, ...rest } = file.config;
    writeConfig({ path: file.path, config: rest });
  } else {
    const { [field]: _, ...rest } = entriesOf(file.config, list).find((one) => one.name === name)?.value ?? {};
    writeConfig({ path: file.path, config: setEntry(file.config, list, { name, value: rest }) });
  }
  context.print(`Property ${JSON.stringify(path)} unset.\n`);
  return 0;
}
