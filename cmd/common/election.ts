/** Leader election as flags: on by default, as several processes of one kind may run against one API server. */
import { hostname } from 'node:os';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { electionTimesProblem, type LeaderElectionOptions } from '#pkg/client/leader-election.ts';
import { openBeacon } from '#pkg/component/beacon.ts';
import { duration, type FlagTable, type FlagValues, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { machineAddress } from './machine-address.ts';

/** The flags, to be spread into the table of a process. */
export const electionFlags = {
  'leader-elect': toggle({ help: 'Work only while no other process of this kind does.', fallback: true }),
  'leader-elect-lease-duration': duration({
    help: 'How long the others wait for a leader that is silent. One whose process has ended they do not wait for.',
    fallback: 15_000,
  }),
  'leader-elect-renew-deadline': duration({
    help: 'How long a leader tries to renew its lease before it stops.',
    fallback: 10_000,
  }),
  'leader-elect-retry-period': duration({ help: 'Between two tries.', fallback: 2_000 }),
  'leader-elect-beacon-address': text({
    help: 'Address at which the other candidates see that this process lives; 0.0.0.0 for all of the machine, empty for none.',
    fallback: '127.0.0.1',
    placeholder: 'address',
  }),
} satisfies FlagTable;

/** A candidate for an election, and how to end what tells others that it lives. */
export interface Election {
  /** Absent where nobody is elected. */
  readonly election?: Pick<
    LeaderElectionOptions,
    'identity' | 'leaseDurationMs' | 'liveness' | 'renewDeadlineMs' | 'retryPeriodMs'
  >;
  close(): Promise<void>;
}

/** This process as a candidate. Throws `UserError` for times that do not go together and an address that cannot be had. */
export async function openElection(
  values: FlagValues<typeof electionFlags>,
  { clock, uuid }: { readonly clock: Clock; readonly uuid: string },
): Promise<Election> {
  if (!values['leader-elect']) return { close: async () => {} };
  const identity = `${hostname()}_${uuid}`;
  const times = {
    leaseDurationMs: values['leader-elect-lease-duration'],
    renewDeadlineMs: values['leader-elect-renew-deadline'],
    retryPeriodMs: values['leader-elect-retry-period'],
  };
  const problem = electionTimesProblem(times);
  if (problem !== undefined) throw new UserError(`Cannot use the flags --leader-elect-* as given: ${problem}`);
  const host = values['leader-elect-beacon-address'];
  if (host === '') return { election: { identity, ...times }, close: async () => {} };
  try {
    const liveness = await openBeacon({ clock, identity, host, advertised: machineAddress(host) });
    return { election: { identity, liveness, ...times }, close: () => liveness.close() };
  } catch (error) {
    throw new UserError(`Cannot listen at --leader-elect-beacon-address=${host}: ${errorText(error)}`, error);
  }
}
