/** Writes for which something was reserved. */
import type { Reservation } from '../strategy.ts';

/** Keeps what was reserved where `write` comes to something, and gives it back where it comes to nothing or throws. */
export async function settle<T>(reservation: Reservation, write: () => Promise<T> | T): Promise<T> {
  let written: T | undefined;
  try {
    written = await write();
    return written;
  } finally {
    if (written === undefined) reservation.rollback();
    else reservation.commit();
  }
}
