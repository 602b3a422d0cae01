/** The file of `--admission-control-config-file`, and those that it names. Loaded by servers that are given one. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errorCode } from '#pkg/base/error-code.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { UserError } from '#pkg/component/user-error.ts';
import {
  type PluginConfiguration,
  readAdmissionConfiguration,
} from '#pkg/registry/admission/configuration/admission-configuration.ts';
import { readPodSecurityConfiguration } from '#pkg/registry/admission/configuration/pod-security-configuration.ts';
import { readEventLimits } from '#pkg/registry/admission/optional/event-rate-limit.ts';
import { readImagePolicy } from '#pkg/registry/admission/optional/image-policy-webhook.ts';
import { readNodeSelectors } from '#pkg/registry/admission/optional/pod-node-selector.ts';
import { readTolerationRules } from '#pkg/registry/admission/optional/pod-toleration-restriction.ts';
import type { OptionalConfigurations } from '#pkg/registry/admission/optional/table.ts';
import { readLimitedResources } from '#pkg/registry/admission/quota/limited.ts';
import type { AdmissionOptions } from '#pkg/registry/admission/table.ts';
import { decodedConfig } from '#pkg/registry/remote/config-shape.ts';
import { remoteServerIn, usable } from './access-files.ts';

const flag = 'admission-control-config-file';

/** What the file says of plugins. */
export type PluginConfigurations = OptionalConfigurations &
  Pick<AdmissionOptions, 'limitedResources' | 'podSecurity'> & {
    /** The plugins that it configures. */
    readonly names: ReadonlySet<string>;
  };

type Read = (value: unknown, folder: string) => Promise<Partial<PluginConfigurations>> | Partial<PluginConfigurations>;

/** What can be configured. */
const readers: Readonly<Record<string, Read>> = {
  EventRateLimit: (value) => ({ eventLimits: readEventLimits(value) }),
  ImagePolicyWebhook: async (value, folder) => {
    const policy = readImagePolicy(value);
    const server = await remoteServerIn(flag, resolve(folder, policy.kubeConfigFile));
    return { imagePolicy: { policy, server } };
  },
  PodNodeSelector: (value) => ({ nodeSelectors: readNodeSelectors(value) }),
  PodSecurity: (value) => ({ podSecurity: readPodSecurityConfiguration(value) }),
  PodTolerationRestriction: (value) => ({ tolerationRules: readTolerationRules(value) }),
  ResourceQuota: (value) => ({ limitedResources: readLimitedResources(value) }),
};

/** Reads all of them. Throws `UserError` in one line, with the path of the field. */
export async function configurationsIn(path: string): Promise<PluginConfigurations> {
  const text = await readFile(path, 'utf8').catch((error) => {
    throw new UserError(`Cannot read the file of --${flag}: ${path} (${errorCode(error)})`, error);
  });
  const plugins = usable(flag, text, (content) => readAdmissionConfiguration(content, Object.keys(readers)));
  let result: PluginConfigurations = { names: new Set() };
  for (const [index, plugin] of plugins.entries()) {
    const { name = '' } = plugin;
    const isInside = plugin.configuration !== undefined && plugin.configuration !== null;
    if (!isInside && !plugin.path) continue;
    try {
      const read = await readers[name]?.(await configurationOf(plugin, dirname(path)), dirname(path));
      result = { ...result, ...read, names: new Set([...result.names, name]) };
    } catch (error) {
      const field = `plugins[${index}].${isInside ? 'configuration' : 'path'}`;
      throw new UserError(`Cannot use the file of --${flag}: ${field}: ${errorText(error)}`, error);
    }
  }
  return result;
}

/** What a plugin is configured by. */
async function configurationOf({ path = '', configuration }: PluginConfiguration, folder: string): Promise<unknown> {
  if (configuration !== undefined && configuration !== null) return configuration;
  const file = resolve(folder, path);
  const text = await readFile(file, 'utf8').catch((error) => {
    throw new Error(`${file} cannot be read (${errorCode(error)})`, { cause: error });
  });
  return decodedConfig(text);
}
