/** How much a pod that is held to a bandwidth may send at once. Pure. */

/** So long a pod may send at full speed after it was silent. */
const burstSeconds = 0.05;
/** A packet has room in it, as large as the kernel makes them before it cuts them up. */
const burstBytesMin = 64 * 1024;
/** As bits it fits into 32 of them, which CNI plugins take. */
const burstBytesMax = 512 * 1024 ** 2 - 1;

/** Bytes for a rate in bits a second. */
export function burstBytes(bitsPerSecond: number): number {
  return Math.round(Math.min(burstBytesMax, Math.max(burstBytesMin, (bitsPerSecond / 8) * burstSeconds)));
}
