/** Flags of the API server that people may set, whether it is a process of its own or in one with all others. */
import { type FlagTable, type FlagValues, parseFlags } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { auditFlags } from './audit/audit-flags.ts';
import type { EncryptionSettings } from './encryption/encryption.ts';
import { encryptionFlags } from './encryption/encryption-flags.ts';
import type { ComponentFlags } from './settings.ts';

/** The table. */
export const serverFlags = { ...auditFlags, ...encryptionFlags } satisfies FlagTable;

/** The values of the table. */
export type ServerFlagValues = FlagValues<typeof serverFlags>;

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
