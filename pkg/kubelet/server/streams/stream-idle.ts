/** How long commands and forwarded ports may be idle, whatever carries them. */

/**
 * A command or a forwarded port of which nothing was heard or said for so long is ended, so that what its client has forgotten does not stay for good.
 * Pings do not count. Source: kubelet `streamingConnectionIdleTimeout`.
 */
export const streamIdleMs = 4 * 60 * 60 * 1_000;
