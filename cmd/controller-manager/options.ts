/** The flags of the controller manager: its own, and those of its controllers. */

import { kubeconfigFlag } from '#cmd/common/connection.ts';
import { electionFlags } from '#cmd/common/election.ts';
import { defaultSettings } from '#pkg/cluster/settings.ts';
import { type FlagTable, type FlagValues, text } from '#pkg/component/flags.ts';
import { controllerFlags } from '#pkg/controllers/manager.ts';

const ownFlags = {
  ...kubeconfigFlag,
  ...electionFlags,
  'root-ca-file': text({
    help: 'Authority that is published to every namespace as kube-root-ca.crt.',
    placeholder: 'file',
  }),
  'cluster-signing-cert-file': text({
    help: 'Authority that issues the certificates which are asked for and approved.',
    placeholder: 'file',
  }),
  'cluster-signing-key-file': text({ help: 'Its key.', placeholder: 'file' }),
  'service-account-private-key-file': text({
    help: 'Key that signs tokens of service accounts, for Secrets that hold such.',
    placeholder: 'file',
  }),
  'cluster-cidr': text({
    help: 'Range of pod addresses, of which each node gets a part, or one of each family.',
    fallback: defaultSettings.podCidr,
    placeholder: 'CIDR',
  }),
} satisfies FlagTable;

/** The table: the manager's own flags and those of each controller of the table of controllers. */
export const controllerManagerFlags: FlagTable & typeof ownFlags = { ...controllerFlags(), ...ownFlags };

/** The values of its own flags; those of controllers are beside them. */
export type ControllerManagerValues = FlagValues<typeof ownFlags> & Readonly<Record<string, unknown>>;
