/** `coxswain.dev/pause`: does nothing until it is asked to end. */
import { aborted } from '#pkg/base/async.ts';
import type { Program } from '../program.ts';

/** The image's program. */
export const program: Program = {
  async main(context) {
    const alive = context.clock.setTimeout(() => {}, Number.MAX_SAFE_INTEGER);
    await aborted(context.signal);
    alive.cancel();
    return 0;
  },
};
