/** Amounts of bytes as people read them. */

/** In KiB below 1 MiB, else in MiB. */
export function bytesText(bytes: number): string {
  return bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
