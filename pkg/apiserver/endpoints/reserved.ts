/** Writes for which something was reserved. */
import type { Reservation } from '../strategy.ts';

/** Keeps what was reserved where `write` comes to something, and gives it back where it comes to nothing or throws. */
export async function settle<T>(reservation: Reservation, write: () => Promise<T> | T): Promise<T> {
  let written: T | undefined;
  try {
    written = await write();
    return written;
  } finally {
    await (written === undefined ? reservation.rollback() : reservation.commit());
  }
}
