/** Environment variables by which the processes that programs start are known (`descendants.ts`). */

/** Names the container of a process. */
export const containerVariable = 'COXSWAIN_CONTAINER_ID';

/** Names the runtime whose program a process belongs to. */
export const ownerVariable = 'COXSWAIN_PROGRAMS_OF';
