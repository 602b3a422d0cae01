/** The flags of the scheduler. */

import { kubeconfigFlag } from '#cmd/common/connection.ts';
import { electionFlags } from '#cmd/common/election.ts';
import type { FlagTable } from '#pkg/component/flags.ts';

/** The table: the connection and leader election. */
export const schedulerFlags = { ...kubeconfigFlag, ...electionFlags } satisfies FlagTable;
