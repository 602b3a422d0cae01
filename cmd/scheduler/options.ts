/** The flags of the scheduler. */

import { kubeconfigFlag } from '#cmd/common/connection.ts';
import { electionFlag } from '#cmd/common/election.ts';
import type { FlagTable } from '#pkg/component/flags.ts';

/** The table: the connection and leader election. */
export const schedulerFlags = { ...kubeconfigFlag, ...electionFlag } satisfies FlagTable;
