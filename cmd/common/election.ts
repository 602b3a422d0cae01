/** Leader election as a flag: on by default, as several processes of one kind may run against one API server. */
import { hostname } from 'node:os';
import { type FlagTable, toggle } from '#pkg/component/flags.ts';

/** The flag, to be spread into the table of a process. */
export const electionFlag = {
  'leader-elect': toggle({ help: 'Work only while no other process of this kind does.', fallback: true }),
} satisfies FlagTable;

/** The name of this candidate, or undefined when there is no election. */
export function electionIdentity(
  values: { readonly 'leader-elect': boolean },
  uuid: string,
): { electionIdentity?: string } {
  return values['leader-elect'] ? { electionIdentity: `${hostname()}_${uuid}` } : {};
}
