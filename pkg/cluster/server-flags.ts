/** Flags of the API server that people may set, whether it is a process of its own or in one with all others. */
import { readsMaxDefault, writesMaxDefault } from '#pkg/apiserver/flow/in-flight.ts';
import { featureGatesFlag } from '#pkg/component/feature-gates.ts';
import { type FlagTable, type FlagValues, integer, list, parseFlags, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { auditFlags } from './audit/audit-flags.ts';
import type { EncryptionSettings } from './encryption/encryption.ts';
import { encryptionFlags } from './encryption/encryption-flags.ts';
import type { RequestSettings } from './request-room.ts';
import type { ComponentFlags } from './settings.ts';

/** The table. */
export const serverFlags = {
  ...auditFlags,
  ...encryptionFlags,
  'authentication-config': text({
    help: 'Issuers whose JWTs count and where anonymous requests may come, as an AuthenticationConfiguration.',
    placeholder: 'file',
  }),
  'authorization-config': text({
    help: 'Who decides, in order, as an AuthorizationConfiguration; in place of --authorization-mode.',
    placeholder: 'file',
  }),
  'enable-priority-and-fairness': toggle({
    help: 'Work on requests by priority levels and flow schemas; else those that read and all others have a lane each.',
    fallback: true,
  }),
  'fault-injection': toggle({
    help: 'Let administrators add faults that requests then meet ("coxswain faults"). Not for clusters that anybody relies on.',
  }),
  'max-requests-inflight': integer({
    help: 'Requests that read, worked on at once; with --max-mutating-requests-inflight the seats of all priority levels. 0: no bound of its own.',
    fallback: readsMaxDefault,
  }),
  'max-mutating-requests-inflight': integer({
    help: 'Requests that write, worked on at once; with --max-requests-inflight the seats of all priority levels. 0: no bound of its own.',
    fallback: writesMaxDefault,
  }),
  'admission-control-config-file': text({
    help: 'How admission plugins are configured, as an AdmissionConfiguration.',
    placeholder: 'file',
  }),
  'enable-admission-plugins': list({
    help: 'Admission plugins that run beside those that do by default.',
    placeholder: 'Name,Name',
  }),
  'disable-admission-plugins': list({
    help: 'Admission plugins that do not run, of those that do by default.',
    placeholder: 'Name,Name',
  }),
  ...featureGatesFlag,
  'runtime-config': list({
    help: 'Versions that are served beyond the default, or not served: api/all, api/beta, api/alpha, GROUP/VERSION or GROUP/VERSION/RESOURCE with =true or =false.',
    placeholder: 'NAME=true,…',
  }),
} satisfies FlagTable;

/** The values of the table. */
export type ServerFlagValues = FlagValues<typeof serverFlags>;

/** How many requests are worked on at once by these flags. Throws `UserError` for no seats at all. */
export function requestSettings(flags: ServerFlagValues): RequestSettings {
  const isFair = flags['enable-priority-and-fairness'];
  const [readsMax, writesMax] = [flags['max-requests-inflight'], flags['max-mutating-requests-inflight']];
  if (isFair && readsMax + writesMax === 0) {
    const names = '--max-requests-inflight and --max-mutating-requests-inflight';
    throw new UserError(`the flags ${names} must add up to something positive with --enable-priority-and-fairness`);
  }
  // Without priority levels a zero is no limit.
  const lane = (max: number): number => (!isFair && max === 0 ? Number.POSITIVE_INFINITY : max);
  return { readsMax: lane(readsMax), writesMax: lane(writesMax), isFair };
}

/** Which versions are served beyond the default. Throws `UserError` for what says neither. Source: kube-apiserver `--runtime-config`. */
export function runtimeConfigOf(flags: ServerFlagValues): Readonly<Record<string, boolean>> {
  const config: Record<string, boolean> = {};
  for (const word of flags['runtime-config']) {
    const [name = '', value = 'true'] = word.split('=');
    if (
      !/^(api\/(all|alpha|beta|ga)|v1|[a-z0-9.-]+\/v\d+[a-z0-9]*)(\/[a-z]+)?$/.test(name) ||
      !/^(true|false)$/.test(value)
    )
      throw new UserError(`--runtime-config: ${JSON.stringify(word)} is not a version with =true or =false`);
    config[name] = value === 'true';
  }
  return config;
}

/** How values are stored, as the flags say. */
export function encryptionOf(values: ServerFlagValues): EncryptionSettings {
  return {
    file: values['encryption-provider-config'],
    reloads: values['encryption-provider-config-automatic-reload'],
  };
}

/** The values that the settings of a cluster give. Throws `UserError` for what no flag takes. */
export function serverFlagValues(set: ComponentFlags): ServerFlagValues {
  const own = Object.hasOwn(set, 'kube-apiserver') ? (set['kube-apiserver'] ?? {}) : {};
  const result = parseFlags(
    serverFlags,
    Object.entries(own).map(([name, value]) => `--${name}=${value}`),
  );
  if (!result.ok) throw new UserError(`kube-apiserver: ${result.message}`);
  return result.values;
}
