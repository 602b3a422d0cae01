/** Where a node has programs with logins for pulls, as flags of a kubelet say. Names are upstream's. */
import { isAbsolute } from 'node:path';
import { type FlagTable, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';

const pathProblem = (value: string): string | undefined =>
  value === '' || isAbsolute(value) ? undefined : 'must be an absolute path';

/** The table. */
export const credentialProviderFlags = {
  'image-credential-provider-config': text({
    help: 'File that says which programs have logins for which images (a CredentialProviderConfig); empty for none.',
    placeholder: 'file',
    problem: pathProblem,
  }),
  'image-credential-provider-bin-dir': text({
    help: 'Folder of those programs.',
    placeholder: 'folder',
    problem: pathProblem,
  }),
} satisfies FlagTable;

/** Where they are. */
export interface CredentialProviderPlace {
  readonly configFile: string;
  readonly programs: string;
}

/** The place that values of the table stand for; undefined where there are none. Throws `UserError` where one of the two is missing. */
export function credentialProvidersOf(values: Readonly<Record<string, unknown>>): CredentialProviderPlace | undefined {
  const [configFile, programs] = [
    values['image-credential-provider-config'] ?? '',
    values['image-credential-provider-bin-dir'] ?? '',
  ].map(String);
  if (configFile === '' && programs === '') return undefined;
  if (configFile === undefined || configFile === '' || programs === undefined || programs === '')
    throw new UserError(
      '--image-credential-provider-config and --image-credential-provider-bin-dir: each is required beside the other',
    );
  return { configFile, programs };
}
