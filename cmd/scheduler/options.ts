/** The flags of the scheduler. */

import { kubeconfigFlag } from '#cmd/common/connection.ts';
import { electionFlags } from '#cmd/common/election.ts';
import { schedulerOptionFlags } from '#pkg/cluster/scheduler-flags.ts';
import type { FlagTable } from '#pkg/component/flags.ts';

/** The table: the connection, leader election, and how pods are laid out. */
export const schedulerFlags = { ...kubeconfigFlag, ...electionFlags, ...schedulerOptionFlags } satisfies FlagTable;
